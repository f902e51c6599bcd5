// A matrix whose largest singular value exceeds a bound is made smaller as a whole.
//
//   W <- W / max(1, σ(W) / m)       m = `bound` · sqrt(out / in)
//
// σ: the largest singular value, up to rounding (the authors take 16 or 26 steps of power iteration from a random
// vector, which finds less). Matrices between activations, no state. The whole spectrum shrinks with its top; see
// spectral_soft_cap for what leaves the rest alone. Newhouse et al. 2025, "Training transformers with enforced
// Lipschitz constants", arXiv:2507.13338, section 3.

#include "params/spectral_constraint.h"

namespace ingot::spectral_normalize {
namespace {

class SpectralNormalize final : public SpectralConstraint {
 public:
  explicit SpectralNormalize(const SpectralBound& config) : SpectralConstraint(config) {}
  void apply(at::Tensor& weight, const ConstraintContext& /*context*/) const override {
    const double top = top_singular(weight).value, allowed = most(weight);
    if (top > allowed) weight.mul_(allowed / top);
  }
};

}  // namespace
}  // namespace ingot::spectral_normalize

namespace ingot {

void register_spectral_normalize(Family<ConstraintEntry>& family) {
  add_constraint<SpectralBound, spectral_normalize::SpectralNormalize>(
      family, "spectral_normalize", "Matrices whose largest singular value exceeds a bound shrink as a whole.",
      "Newhouse et al. 2025, arXiv:2507.13338", {"{bound: 0.5}"});
}

}  // namespace ingot
