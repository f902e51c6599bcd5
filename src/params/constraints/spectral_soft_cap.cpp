// The largest singular value of a matrix is brought down to a bound by a polynomial that hardly moves the small ones.
//
//   y = x - a·x³,  z = y + a·y³       x: singular values of W/m,  m = `bound` · sqrt(out / in)
//
// a: the root in [0, 1/k²] of k(1 - 3X² + 3X³ - X⁴) = 1 with X = a·k², so that x = k becomes z = 1; 0 where k <= 1. k
// is the largest x, or with `strength: update_bound` what it could have become since the bound held: 1 - κ +
// η·n/`bound`, κ: share that decay takes, η: learning rate, n: `update_norm`, the most that an update before η has in
// units of sqrt(out / in) (Muon with spectral scale: 1, and 5 % for safety). The latter is the published form, which
// needs two products and no singular value; it shrinks a little at each call, so that a second one changes the weight
// again. A matrix beyond k = 1.25, where the polynomial would no longer be monotone, is first brought there as a whole.
// Matrices between activations, no state. Newhouse et al. 2025, arXiv:2507.13338, section 3 and theorem on the coupling
// of decay, rate and a.

#include <ATen/TensorOperators.h>

#include <algorithm>

#include "params/spectral_constraint.h"

namespace ingot::spectral_soft_cap {
namespace {

enum class Strength { kMeasured, kUpdateBound };

struct SoftCapConfig {
  SpectralBound common;
  Strength strength = Strength::kMeasured;
  double update_norm = 1.05;
};

void describe(Fields& f, SoftCapConfig& c) {
  describe(f, c.common);
  f.choice("strength", c.strength, {{"measured", Strength::kMeasured}, {"update_bound", Strength::kUpdateBound}},
           "from the largest singular value, or from the largest that decay and learning rate allow");
  f.field("update_norm", c.update_norm,
          "for update_bound: largest singular value of what the optimizer gives, in units of sqrt(outputs / inputs)",
          Rule{}.above(0));
}

/// a for k > 1, by bisection: the left side falls from k to 0.
double coupling(double k) {
  double low = 0, high = 1;
  for (int i = 0; i < 60; ++i) {
    const double x = (low + high) / 2;
    (k * (1 + x * x * (-3 + x * (3 - x))) > 1 ? low : high) = x;
  }
  return (low + high) / 2 / (k * k);
}

class SpectralSoftCap final : public SpectralConstraint {
 public:
  explicit SpectralSoftCap(const SoftCapConfig& config)
      : SpectralConstraint(config.common),
        strength_(config.strength),
        update_norm_(config.update_norm / config.common.bound) {}
  void apply(at::Tensor& weight, const ConstraintContext& context) const override {
    constexpr double kMonotone = 1.25;
    const double allowed = most(weight);
    const bool measured = strength_ == Strength::kMeasured || context.lr == 0;
    double k = measured ? top_singular(weight).value / allowed : 1 - context.decay + update_norm_ * context.lr;
    if (k <= 1) return;
    const double shrink = std::min(1.0, kMonotone / k);
    k *= shrink;
    const double a = coupling(k);
    at::Tensor x = weight * (shrink / allowed);
    x = odd_polynomial(odd_polynomial(x, {1, -a, 0}), {1, a, 0});
    weight.copy_(x.mul_(allowed));
  }

 private:
  Strength strength_;
  double update_norm_;  // in units of the bound
};

}  // namespace
}  // namespace ingot::spectral_soft_cap

namespace ingot {

void register_spectral_soft_cap(Family<ConstraintEntry>& family) {
  using namespace spectral_soft_cap;
  add_constraint<SoftCapConfig, SpectralSoftCap>(family, "spectral_soft_cap",
                                                 "A polynomial brings the largest singular value down to a bound.",
                                                 "Newhouse et al. 2025, arXiv:2507.13338", {"{bound: 0.5}"});
}

}  // namespace ingot
