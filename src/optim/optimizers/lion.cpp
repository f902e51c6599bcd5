// Lion: the sign of an average of gradients that leans on the newest.
//
//   u = β1·m + (1 - β1)·g
//   w = (1 - η·λ)·w - η·sign(u)
//   m = β2·m + (1 - β2)·g
//
// w: master, g: its gradient, m: average, η: learning rate, λ: weight decay. Every weight moves by η, so rates are 3 to
// 10 times smaller than Adam's and decay as much larger. Elementwise. State m: 4 bytes for each fp32 parameter.
// Chen et al. 2023 (arXiv:2302.06675), algorithm 2.

#include "optim/optimizers/lion.h"

#include "config/units.h"
#include "optim/betas.h"
#include "optim/elementwise.h"

namespace ingot::lion {
namespace {

struct LionConfig {
  double lr = 1e-4;
  std::vector<double> betas = {0.9, 0.99};
  double weight_decay = 0;
};

void describe(Fields& f, LionConfig& c) {
  f.field("lr", c.lr, "peak learning rate", Rule{}.at_least(0));
  f.field("betas", c.betas, "share of the average in the update, and share of the average that is kept",
          Rule{}.at_least(0).below(1));
  f.field("weight_decay", c.weight_decay, "weight decay, times the learning rate", Rule{}.at_least(0));
}

RuleStep<LionRule> prepare(const LionConfig& c, const UpdateContext& /*context*/) {
  return {{c.betas[0], 1 - c.betas[0], c.betas[1], 1 - c.betas[1]}};
}

}  // namespace
}  // namespace ingot::lion

namespace ingot {

void register_lion(Family<OptimizerEntry>& family) {
  using namespace lion;
  add_optimizer<LionConfig>(
      family, "lion", "The sign of an average of gradients that leans on the newest.",
      "Chen et al. 2023, arXiv:2302.06675",
      [](const LionConfig& c) { return elementwise<LionRule>(c, {"exp_avg"}, prepare); }, check_betas<2>)
      .samples = {"{betas: [0.8, 0.95]}"};
}

}  // namespace ingot
