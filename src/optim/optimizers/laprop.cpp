// LaProp: Adam with the momentum taken of normalised gradients, so that momentum and normalisation do not act on each
// other.
//
//   v = β2·v + (1 - β2)·g²
//   m = β1·m + (1 - β1) · g / (sqrt(v/(1 - β2^t)) + ε)
//   w = (1 - η·λ)·w - η · m/(1 - β1^t)
//
// w: master, g: its gradient, η: learning rate, λ: weight decay, t: update from 1. Elementwise. State m, v: 8 bytes for
// each fp32 parameter. Ziyin, Wang & Ueda 2020 (arXiv:2002.04839), algorithm 1. The authors' code averages η along with
// the normalised gradient: with a constant rate, which we compare with, that is the same; and its decay is not
// multiplied by η. eps can be as small as in that code, 1e-15, since the ratio is bounded: |g| <= sqrt(v/(1 - β2)).

#include "optim/optimizers/laprop.h"

#include "config/units.h"
#include "optim/adam_step.h"
#include "optim/betas.h"

namespace ingot::laprop {
namespace {

struct LapropConfig {
  double lr = 4e-4;
  std::vector<double> betas = {0.9, 0.999};
  double eps = 1e-15;
  double weight_decay = 0;
};

void describe(Fields& f, LapropConfig& c) {
  f.field("lr", c.lr, "peak learning rate", Rule{}.at_least(0));
  f.field("betas", c.betas, "decay rates of the averages of the normalised gradient and of the gradient's square",
          Rule{}.at_least(0).below(1));
  f.field("eps", c.eps, "added to the root of the averaged square", Rule{}.above(0));
  f.field("weight_decay", c.weight_decay, "weight decay, times the learning rate", Rule{}.at_least(0));
}

RuleStep<LapropRule> prepare(const LapropConfig& c, const UpdateContext& context) {
  return {{1 - c.betas[0], c.betas[1], 1 - c.betas[1], 1 / std::sqrt(bias_correction(c.betas[1], context)), c.eps},
          bias_correction(c.betas[0], context)};
}

}  // namespace
}  // namespace ingot::laprop

namespace ingot {

void register_laprop(Family<OptimizerEntry>& family) {
  using namespace laprop;
  add_optimizer<LapropConfig>(
      family, "laprop", "Adam with momentum of normalised gradients.", "Ziyin, Wang & Ueda 2020, arXiv:2002.04839",
      [](const LapropConfig& c) {
        return elementwise<LapropRule>(c, {"exp_avg", "exp_avg_sq"}, prepare);
      },
      check_betas<2>);
}

}  // namespace ingot
