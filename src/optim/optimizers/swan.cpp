// SWAN: gradients with standardised rows, whitened. No state.
//
//   G̃ = (G - mean) / (sd + ε) of each row        the row's own mean and standard deviation over its n elements
//   W = (1 - η·λ)·W - η·(G̃ G̃ᵀ)^(-1/2) G̃
//
// W, G [m, n]; the whitened matrix is the polar factor of G̃ (optim/matrix/polar.h). With `rescale` it gets the
// Frobenius norm of G̃, so that its elements are about 1 and learning rates are those of adamw. The mean's removal
// takes one direction from G̃, so for m >= n an explicit inverse root would fail; iterations leave that direction at 0.
// No decay in the paper.
// Ma et al. 2024, arXiv:2412.13148.

#include <ATen/TensorOperators.h>

#include "optim/matrix/matrix_optimizer.h"
#include "optim/matrix/norms.h"

namespace ingot::swan {
namespace {

struct SwanConfig {
  double lr = 1e-3;
  double weight_decay = 0;
  bool rescale = true;
  PolarConfig polar;
};

void describe(Fields& f, SwanConfig& c) {
  describe_rate(f, c.lr, c.weight_decay);
  f.field("rescale", c.rescale, "give the whitened gradient the norm that it had before whitening");
  describe_polar(f, c.polar);
}

class Swan final : public MatrixOptimizer {
 public:
  explicit Swan(const SwanConfig& config) : config_(config) {}

 protected:
  at::Tensor direction(Slot& slot, const UpdateContext& context) const override {
    const at::Tensor standard = standardised(gradient_of(slot, context));
    const at::Tensor white = polar_factor(standard, config_.polar);
    if (!config_.rescale) return white;
    return white * (frobenius_norm(standard) / frobenius_norm(white).clamp_min(kEps));
  }

 private:
  static at::Tensor standardised(const at::Tensor& g) {
    const at::Tensor centred = g - g.mean(1, /*keepdim=*/true);
    const double root = std::sqrt(static_cast<double>(g.size(1)));
    return centred / (row_norms(centred) / root + kEps);
  }

  static constexpr double kEps = 1e-8;
  const SwanConfig& config_;
};

}  // namespace
}  // namespace ingot::swan

namespace ingot {

void register_swan(Family<OptimizerEntry>& family) {
  using namespace swan;
  auto& entry = add_matrix_optimizer<SwanConfig, Swan>(
      family, "swan", "Gradients with standardised rows, whitened; without a state.",
      "Ma et al. 2024, arXiv:2412.13148", [](const SwanConfig& c) { return check_polar(c.polar); });
  entry.update_size_of = with_settings<SwanConfig>(
      [](const SwanConfig& c) { return c.rescale ? UpdateSize::kOrthogonal : UpdateSize::kSpectral; });
  entry.samples = {"{rescale: false, method: exact}"};
}

}  // namespace ingot
