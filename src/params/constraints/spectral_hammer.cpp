// The largest singular value of a matrix is set to a value, by a change of rank one.
//
//   W <- W + (m - σ) u vᵀ           m = `bound` · sqrt(out / in)
//
// σ, u, v: the largest singular value and its vectors. Where others exceed m too, as start values may, the same is done
// to the next largest until none does. Made for Adam, whose updates have a low rank: one strike after each is then
// enough. Matrices between activations, no state. Newhouse et al. 2025, arXiv:2507.13338, section 3.

#include <ATen/ops/outer.h>

#include <algorithm>

#include "params/spectral_constraint.h"

namespace ingot::spectral_hammer {
namespace {

class SpectralHammer final : public SpectralConstraint {
 public:
  explicit SpectralHammer(const SpectralBound& config) : SpectralConstraint(config) {}
  void apply(at::Tensor& weight, const ConstraintContext& /*context*/) const override {
    const double wanted = most(weight);
    const double enough = wanted * (weight.scalar_type() == at::kDouble ? 1 + 1e-14 : 1 + 1e-6);
    const auto most_strikes = std::min(weight.size(0), weight.size(1));
    for (std::int64_t strike = 0; strike < most_strikes; ++strike) {
      const auto top = top_singular(weight);
      if (top.value == 0 || (strike > 0 && top.value <= enough)) return;
      weight.add_(at::outer(top.left, top.right), wanted - top.value);
    }
  }
};

}  // namespace
}  // namespace ingot::spectral_hammer

namespace ingot {

void register_spectral_hammer(Family<ConstraintEntry>& family) {
  add_constraint<SpectralBound, spectral_hammer::SpectralHammer>(
      family, "spectral_hammer", "The largest singular value is set to a bound by a change of rank one.",
      "Newhouse et al. 2025, arXiv:2507.13338", {"{bound: 2}"});
}

}  // namespace ingot
