// Adam with decay in the gradient (L2 regularisation).
//
//   g = s·G + λ·w                      s: 1/tokens and clipping
//   m = β1·m + (1 - β1)·g
//   v = β2·v + (1 - β2)·g²
//   w = w - η · m/(1 - β1^t) / (sqrt(v/(1 - β2^t)) + ε)
//
// w: master, G: its gradient, η: learning rate, λ: weight decay, t: update from 1. Elementwise, by the rule of adamw,
// whose decay acts on the weights themselves. State m, v: 8 bytes for each fp32 parameter. eps stands where
// torch.optim.Adam has it. Kingma & Ba 2015 (arXiv:1412.6980), algorithm 1.

#include "config/units.h"
#include "optim/adam_step.h"
#include "optim/betas.h"

namespace ingot::adam {
namespace {

struct AdamConfig {
  double lr = 1e-3;
  std::vector<double> betas = {0.9, 0.95};
  double eps = 1e-8;
  double weight_decay = 0;
};

void describe(Fields& f, AdamConfig& c) {
  f.field("lr", c.lr, "peak learning rate", Rule{}.at_least(0));
  f.field("betas", c.betas, "decay rates of the averages of the gradient and of its square",
          Rule{}.at_least(0).below(1));
  f.field("eps", c.eps, "added to the root of the averaged square", Rule{}.above(0));
  f.field("weight_decay", c.weight_decay, "weight decay, added to the gradient", Rule{}.at_least(0));
}

RuleStep<adamw::AdamRule> prepare(const AdamConfig& c, const UpdateContext& context) {
  return adam_step(c.betas[0], c.betas[1], c.eps, context);
}

}  // namespace
}  // namespace ingot::adam

namespace ingot {

void register_adam(Family<OptimizerEntry>& family) {
  using namespace adam;
  add_optimizer<AdamConfig>(
      family, "adam", "Adam with weight decay in the gradient.", "Kingma & Ba 2015, arXiv:1412.6980",
      [](const AdamConfig& c) {
        return elementwise<adamw::AdamRule>(c, {"exp_avg", "exp_avg_sq"}, prepare, DecayMode::kCoupled);
      },
      check_betas<2>);
}

}  // namespace ingot
