// Stochastic gradient descent with momentum.
//
//   g = s·G + λ·w                      s: 1/tokens and clipping
//   b = g                  (t = 1)     or without momentum
//   b = μ·b + (1 - τ)·g    (t > 1)
//   w = w - η·b,  with nesterov  w = w - η·(g + μ·b)
//
// w: master, G: its gradient, η: learning rate, λ: weight decay (in the gradient), μ: momentum, τ: dampening, t: update
// from 1. Elementwise. State b: 4 bytes for each fp32 parameter, none if μ = 0. The buffer sums gradients (it does not
// average them), as in torch.optim.SGD: an exponential average has 1/(1 - μ) times the learning rate.
// Polyak 1964, "Some methods of speeding up the convergence of iteration methods"; Sutskever et al. 2013, "On the
// importance of initialization and momentum in deep learning", equations 3-4.

#include "optim/optimizers/sgd.h"

#include "config/units.h"
#include "optim/elementwise.h"

namespace ingot::sgd {
namespace {

struct SgdConfig {
  double lr = 1e-2;
  double momentum = 0.9;
  double dampening = 0;
  bool nesterov = false;
  double weight_decay = 0;
};

void describe(Fields& f, SgdConfig& c) {
  f.field("lr", c.lr, "peak learning rate", Rule{}.at_least(0));
  f.field("momentum", c.momentum, "share of the buffer that is kept; 0: no buffer", Rule{}.at_least(0).below(1));
  f.field("dampening", c.dampening, "share of the gradient that is kept out of the buffer",
          Rule{}.at_least(0).at_most(1));
  f.field("nesterov", c.nesterov, "whether the step looks ahead along the buffer (Nesterov)");
  f.field("weight_decay", c.weight_decay, "weight decay, added to the gradient", Rule{}.at_least(0));
}

RuleStep<PlainRule> prepare_plain(const SgdConfig& /*c*/, const UpdateContext& /*context*/) { return {}; }

RuleStep<MomentumRule> prepare(const SgdConfig& c, const UpdateContext& context) {
  return {{c.momentum, context.update == 1 ? 1 : 1 - c.dampening, c.nesterov ? 1.0 : 0.0, c.nesterov ? c.momentum : 1}};
}

SettingsProblems validate(const SgdConfig& c) {
  if (!c.nesterov || (c.momentum > 0 && c.dampening == 0)) return {};
  return {{"nesterov", "expected a momentum above 0 and no dampening with it"}};
}

std::unique_ptr<Optimizer> make(const SgdConfig& c) {
  if (c.momentum == 0) return elementwise<PlainRule>(c, {}, prepare_plain, DecayMode::kCoupled);
  return elementwise<MomentumRule>(c, {"momentum"}, prepare, DecayMode::kCoupled);
}

}  // namespace
}  // namespace ingot::sgd

namespace ingot {

void register_sgd(Family<OptimizerEntry>& family) {
  auto& entry = add_optimizer<sgd::SgdConfig>(
      family, "sgd", "Stochastic gradient descent with momentum.",
      "Sutskever et al. 2013, \"On the importance of initialization and momentum in deep learning\"", sgd::make,
      sgd::validate);
  entry.samples = {"{momentum: 0}", "{nesterov: true}", "{dampening: 0.5}"};
  entry.update_size = UpdateSize::kGradient;
}

}  // namespace ingot
