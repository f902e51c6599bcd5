// No singular value of a matrix exceeds a bound; those below it are left alone.
//
//   σ_i <- min(σ_i, m)              m = `bound` · sqrt(out / in)
//
// `method: exact` does just that, from the eigenvectors of the smaller Gram matrix in fp64, where the largest singular
// value exceeds m at all. `polynomial` is the authors' approximation, which needs products alone: four odd polynomials
// of degree 5 on W/m, within 4 % at the bound and 1.1 % above it, for singular values up to 3.5 m; a larger matrix is
// first brought to 3 m as a whole. A second call then moves the weight by as much again. Matrices between activations,
// no state. Newhouse et al. 2025, arXiv:2507.13338, section 3 and appendix; coefficients by Cesista.

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_eigh.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "params/spectral_constraint.h"

namespace ingot::spectral_hard_cap {
namespace {

enum class Method { kExact, kPolynomial };

struct HardCapConfig {
  SpectralBound common;
  Method method = Method::kExact;
};

void describe(Fields& f, HardCapConfig& c) {
  describe(f, c.common);
  f.choice("method", c.method, {{"exact", Method::kExact}, {"polynomial", Method::kPolynomial}},
           "by eigenvectors, or by the authors' approximation, which needs matrix products alone");
}

at::Tensor capped(const at::Tensor& weight, double most) {
  if (weight.size(1) > weight.size(0)) return capped(weight.t(), most).t();
  const at::Tensor w = weight.to(at::kDouble);
  const auto [squares, vectors] = at::linalg_eigh(w.t().matmul(w));
  const at::Tensor excess = 1 - most * squares.clamp_min(most * most).rsqrt();  // 0 below the bound
  return (w - w.matmul(vectors * excess).matmul(vectors.t())).to(weight.scalar_type());
}

at::Tensor roughly_capped(const at::Tensor& weight, double most) {
  constexpr std::array<std::array<double, 3>, 4> kPolynomials = {{{0.805032, 0.206361, -0.019763},
                                                                  {0.649867, 0.162935, -0.011150},
                                                                  {1.810259, -0.200265, 0.008251},
                                                                  {1.004384, -0.183490, 0.014413}}};
  constexpr double kLargest = 3;
  at::Tensor x = weight / std::max(most, top_singular(weight).value / kLargest);
  for (const auto& polynomial : kPolynomials) x = odd_polynomial(x, polynomial);
  return x * most;
}

class SpectralHardCap final : public SpectralConstraint {
 public:
  explicit SpectralHardCap(const HardCapConfig& config) : SpectralConstraint(config.common), method_(config.method) {}
  void apply(at::Tensor& weight, const ConstraintContext& /*context*/) const override {
    const double allowed = most(weight);
    if (method_ == Method::kPolynomial) {
      weight.copy_(roughly_capped(weight, allowed));
      return;
    }
    // Squares of singular values far above the bound drown some digits of those at it: a second pass finds them.
    constexpr double kFar = 2;
    const double top = top_singular(weight).value;
    const double slack = 1 + 16 * (weight.scalar_type() == at::kDouble ? 0x1p-52 : 0x1p-23);
    if (top > kFar * allowed) weight.copy_(capped(weight, allowed));
    if (top > slack * allowed) weight.copy_(capped(weight, allowed));
  }

 private:
  Method method_;
};

}  // namespace
}  // namespace ingot::spectral_hard_cap

namespace ingot {

void register_spectral_hard_cap(Family<ConstraintEntry>& family) {
  using namespace spectral_hard_cap;
  add_constraint<HardCapConfig, SpectralHardCap>(family, "spectral_hard_cap",
                                                 "Singular values above a bound are set to it.",
                                                 "Newhouse et al. 2025, arXiv:2507.13338", {"{bound: 0.5}"});
}

}  // namespace ingot
