// Signum: the sign of an average of gradients; signSGD without one.
//
//   m = μ·m + (1 - μ)·g
//   w = (1 - η·λ)·w - η·sign(m)
//
// w: master, g: its gradient, m: average, μ: momentum (0: signSGD), η: learning rate, λ: weight decay. Elementwise.
// State m: 4 bytes for each fp32 parameter. Bernstein et al. 2018 (arXiv:1802.04434), algorithm 2; its decay is ours,
// decoupled.

#include "optim/optimizers/signum.h"

#include "config/units.h"
#include "optim/elementwise.h"

namespace ingot::signum {
namespace {

struct SignumConfig {
  double lr = 1e-4;
  double momentum = 0.9;
  double weight_decay = 0;
};

void describe(Fields& f, SignumConfig& c) {
  f.field("lr", c.lr, "peak learning rate", Rule{}.at_least(0));
  f.field("momentum", c.momentum, "share of the average that is kept; 0: the gradient alone",
          Rule{}.at_least(0).below(1));
  f.field("weight_decay", c.weight_decay, "weight decay, times the learning rate", Rule{}.at_least(0));
}

RuleStep<SignumRule> prepare(const SignumConfig& c, const UpdateContext& /*context*/) {
  return {{c.momentum, 1 - c.momentum}};
}

}  // namespace
}  // namespace ingot::signum

namespace ingot {

void register_signum(Family<OptimizerEntry>& family) {
  using namespace signum;
  add_optimizer<SignumConfig>(family, "signum", "The sign of an average of gradients.",
                              "Bernstein et al. 2018, arXiv:1802.04434",
                              [](const SignumConfig& c) { return elementwise<SignumRule>(c, {"momentum"}, prepare); })
      .samples = {"{momentum: 0}"};
}

}  // namespace ingot
