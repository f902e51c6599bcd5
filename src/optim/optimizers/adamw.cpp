// Adam with decoupled weight decay.
//
//   m = β1·m + (1 - β1)·g              with coupled decay g has λ·w in it
//   v = β2·v + (1 - β2)·g²
//   w = (1 - η·λ)·w - η · m/(1 - β1^t) / (sqrt(v/(1 - β2^t)) + ε)
//
// w: master, g: its gradient, η: learning rate, λ: weight decay, t: update from 1. Elementwise. State m, v: 8 bytes for
// each fp32 parameter. eps is added outside the root and after the bias correction, as in torch.optim.AdamW.
// Kingma & Ba 2015 (arXiv:1412.6980), algorithm 1; Loshchilov & Hutter 2019 (arXiv:1711.05101), algorithm 2 with the
// decay multiplied by the learning rate.

#include "optim/optimizers/adamw.h"

#include "config/units.h"
#include "optim/adam_step.h"
#include "optim/betas.h"

namespace ingot::adamw {
namespace {

struct AdamwConfig {
  double lr = 1e-3;
  std::vector<double> betas = {0.9, 0.95};
  double eps = 1e-8;
  double weight_decay = 0;
  bool decoupled = true;
};

void describe(Fields& f, AdamwConfig& c) {
  f.field("lr", c.lr, "peak learning rate", Rule{}.at_least(0));
  f.field("betas", c.betas, "decay rates of the averages of the gradient and of its square",
          Rule{}.at_least(0).below(1));
  f.field("eps", c.eps, "added to the root of the averaged square", Rule{}.above(0));
  f.field("weight_decay", c.weight_decay, "weight decay, times the learning rate", Rule{}.at_least(0));
  f.field("decoupled", c.decoupled,
          "whether decay acts on the weights themselves (AdamW) or is added to the gradient (Adam)");
}

RuleStep<AdamRule> prepare(const AdamwConfig& c, const UpdateContext& context) {
  return adam_step(c.betas[0], c.betas[1], c.eps, context);
}

}  // namespace
}  // namespace ingot::adamw

namespace ingot {

void register_adamw(Family<OptimizerEntry>& family) {
  using namespace adamw;
  add_optimizer<AdamwConfig>(
      family, "adamw", "Adam with decoupled weight decay.", "Loshchilov & Hutter 2019, arXiv:1711.05101",
      [](const AdamwConfig& c) {
        return elementwise<AdamRule>(c, {"exp_avg", "exp_avg_sq"}, prepare,
                                     c.decoupled ? DecayMode::kDecoupled : DecayMode::kCoupled);
      },
      check_betas<2>)
      .samples = {"{decoupled: false}", "{betas: [0.8, 0.99], eps: 1e-4}"};
}

}  // namespace ingot
