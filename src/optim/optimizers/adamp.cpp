// AdamP: Adam whose directions lose their radial part on weights whose length does not matter.
//
//   m = β1·m + (1 - β1)·g
//   v = β2·v + (1 - β2)·g²
//   d = m / (sqrt(v/(1 - β2^t)) + ε),  with nesterov  (β1·m + (1 - β1)·g) / (…)
//   d = d without its radial part, λ = λ·wd_ratio, where the test of optim/projected.h says so
//   w = (1 - η·λ)·w - η/(1 - β1^t)·d
//
// w: master, g: its gradient, η: learning rate, λ: weight decay, t: update from 1. State m, v: 8 bytes for each fp32
// parameter. Heo et al. 2021 (arXiv:2006.08217), algorithm 2, with the constants of the authors' code.

#include "optim/optimizers/adamp.h"

#include "config/units.h"
#include "optim/adam_step.h"
#include "optim/betas.h"
#include "optim/projected.h"

namespace ingot::adamp {
namespace {

struct AdampConfig {
  double lr = 1e-3;
  std::vector<double> betas = {0.9, 0.999};
  double eps = 1e-8;
  ProjectionConfig projection;
  bool nesterov = false;
  double weight_decay = 0;
};

void describe(Fields& f, AdampConfig& c) {
  f.field("lr", c.lr, "peak learning rate", Rule{}.at_least(0));
  f.field("betas", c.betas, "decay rates of the averages of the gradient and of its square",
          Rule{}.at_least(0).below(1));
  f.field("eps", c.eps, "added to the root of the averaged square, and to the norm of a weight", Rule{}.above(0));
  describe_projection(f, c.projection);
  f.field("nesterov", c.nesterov, "whether the step looks ahead along the average (Nesterov)");
  f.field("weight_decay", c.weight_decay, "weight decay, times the learning rate", Rule{}.at_least(0));
}

RuleStep<AdampRule> prepare(const AdampConfig& c, const UpdateContext& context) {
  const double beta1 = c.betas[0];
  return {{1 - beta1, c.betas[1], 1 - c.betas[1], 1 / std::sqrt(bias_correction(c.betas[1], context)), c.eps,
           c.nesterov ? 1 - beta1 : 0, c.nesterov ? beta1 : 1},
          bias_correction(beta1, context)};
}

}  // namespace
}  // namespace ingot::adamp

namespace ingot {

void register_adamp(Family<OptimizerEntry>& family) {
  using namespace adamp;
  add_optimizer<AdampConfig>(
      family, "adamp", "Adam without radial steps on weights whose length does not matter.",
      "Heo et al. 2021, arXiv:2006.08217",
      [](const AdampConfig& c) {
        return projected<AdampRule>(c, {"exp_avg", "exp_avg_sq"}, prepare);
      },
      check_betas<2>)
      .samples = {"{delta: 50, nesterov: true}"};
}

}  // namespace ingot
