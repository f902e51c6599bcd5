// SGDP: gradient descent with momentum whose directions lose their radial part on weights whose length does not matter.
//
//   b = μ·b + (1 - τ)·g                b = 0 at first
//   d = b,  with nesterov  g + μ·b
//   d = d without its radial part, λ = λ·wd_ratio, where the test of optim/projected.h says so
//   w = (1 - η·λ/(1 - μ))·w - η·d
//
// w: master, g: its gradient, η: learning rate, λ: weight decay, μ: momentum, τ: dampening. Dividing λ by 1 - μ gives
// the decay of L2 regularisation under momentum. State b: 4 bytes for each fp32 parameter. Heo et al. 2021
// (arXiv:2006.08217), algorithm 1; decay, dampening and constants as in the authors' code. Without
// nesterov that code takes the radial part out of the buffer too, since its direction is the buffer's memory: here, as
// in the paper, the buffer keeps it.

#include "config/units.h"
#include "optim/optimizers/sgd.h"
#include "optim/projected.h"

namespace ingot::sgdp {
namespace {

struct SgdpConfig {
  double lr = 1e-1;
  double momentum = 0.9;
  double dampening = 0;
  bool nesterov = false;
  double eps = 1e-8;
  ProjectionConfig projection;
  double weight_decay = 0;
};

void describe(Fields& f, SgdpConfig& c) {
  f.field("lr", c.lr, "peak learning rate", Rule{}.at_least(0));
  f.field("momentum", c.momentum, "share of the buffer that is kept", Rule{}.at_least(0).below(1));
  f.field("dampening", c.dampening, "share of the gradient that is kept out of the buffer",
          Rule{}.at_least(0).at_most(1));
  f.field("nesterov", c.nesterov, "whether the step looks ahead along the buffer (Nesterov)");
  f.field("eps", c.eps, "added to the norm of a weight", Rule{}.above(0));
  describe_projection(f, c.projection);
  f.field("weight_decay", c.weight_decay, "weight decay, times the learning rate / (1 - momentum)", Rule{}.at_least(0));
}

RuleStep<sgd::MomentumRule> prepare(const SgdpConfig& c, const UpdateContext& /*context*/) {
  return {{c.momentum, 1 - c.dampening, c.nesterov ? 1.0 : 0.0, c.nesterov ? c.momentum : 1}, 1, 1 / (1 - c.momentum)};
}

}  // namespace
}  // namespace ingot::sgdp

namespace ingot {

void register_sgdp(Family<OptimizerEntry>& family) {
  using namespace sgdp;
  auto& entry = add_optimizer<SgdpConfig>(
      family, "sgdp", "Gradient descent without radial steps on weights whose length does not matter.",
      "Heo et al. 2021, arXiv:2006.08217",
      [](const SgdpConfig& c) { return projected<sgd::MomentumRule>(c, {"momentum"}, prepare); });
  entry.samples = {"{delta: 50, nesterov: true, dampening: 0.5}"};
  entry.update_size = UpdateSize::kGradient;
}

}  // namespace ingot
