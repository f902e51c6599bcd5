// ADOPT: Adam that normalises each gradient by the second moment of those before it, so that it converges with any β2.
//
//   t = 1:  v = g²                                        weights and decay wait
//   t > 1:  m = β1·m + (1 - β1) · clip(g / max(sqrt(v), ε), ±c_t)
//           w = (1 - η·λ)·w - η·m
//           v = β2·v + (1 - β2)·g²                        after its use
//
// w: master, g: its gradient, η: learning rate, λ: weight decay, t: update from 1, c_t = (t - 1)^¼: `clip`.
// Elementwise. State m, v: 8 bytes for each fp32 parameter. Taniguchi et al. 2024 (arXiv:2411.02853), algorithm 2; the
// clipping and the decoupled decay (ADOPTW) are those of the authors' code, whose default decay is `decoupled: false`.

#include "optim/optimizers/adopt.h"

#include <cmath>
#include <limits>

#include "config/units.h"
#include "optim/betas.h"
#include "optim/elementwise.h"

namespace ingot::adopt {
namespace {

struct AdoptConfig {
  double lr = 1e-3;
  std::vector<double> betas = {0.9, 0.9999};
  double eps = 1e-6;
  bool clip = true;
  double weight_decay = 0;
  bool decoupled = true;
};

void describe(Fields& f, AdoptConfig& c) {
  f.field("lr", c.lr, "peak learning rate", Rule{}.at_least(0));
  f.field("betas", c.betas, "decay rates of the averages of the normalised gradient and of the gradient's square",
          Rule{}.at_least(0).below(1));
  f.field("eps", c.eps, "the root of the averaged square counts as at least this", Rule{}.above(0));
  f.field("clip", c.clip, "whether normalised gradients are clipped at the fourth root of the updates so far");
  f.field("weight_decay", c.weight_decay, "weight decay, times the learning rate", Rule{}.at_least(0));
  f.field("decoupled", c.decoupled, "whether decay acts on the weights themselves or is added to the gradient");
}

RuleStep<AdoptRule> prepare(const AdoptConfig& c, const UpdateContext& context) {
  // At t = 1 the limit is 0: the average gets nothing, and what moves is v alone.
  if (context.update == 1) return {{1 - c.betas[0], 0, 1, c.eps, 0}, 1, c.decoupled ? 0.0 : 1.0};
  const double limit = std::pow(static_cast<double>(context.update - 1), 0.25);
  return {
      {1 - c.betas[0], c.betas[1], 1 - c.betas[1], c.eps, c.clip ? limit : std::numeric_limits<double>::infinity()}};
}

}  // namespace
}  // namespace ingot::adopt

namespace ingot {

void register_adopt(Family<OptimizerEntry>& family) {
  using namespace adopt;
  add_optimizer<AdoptConfig>(
      family, "adopt", "Adam that normalises a gradient by those before it.", "Taniguchi et al. 2024, arXiv:2411.02853",
      [](const AdoptConfig& c) {
        return elementwise<AdoptRule>(c, {"exp_avg", "exp_avg_sq"}, prepare,
                                      c.decoupled ? DecayMode::kDecoupled : DecayMode::kCoupled);
      },
      check_betas<2>)
      .samples = {"{clip: false, decoupled: false}"};
}

}  // namespace ingot
