// Spectral normalisation: the weight over its largest singular value.
//
//   W = w / σ      dw = (dW - <dW, W> u vᵀ) / σ
//
// w [out, in]; σ = uᵀ w v with vectors u [out], v [in] of power iteration, which count as constants in the gradient
// (params/power_iteration.h). The scale of a start weight is lost; that of w only sets the size of a step, and so does
// decay. Miyato et al. 2018, equation 8 and algorithm 1.

#include <ATen/TensorOperators.h>

#include "config/fields.h"
#include "params/power_iteration.h"

namespace ingot::spectral_norm {
namespace {

struct SpectralNormConfig : power_iteration::Settings {};

class SpectralNorm final : public power_iteration::OverSigma {
 public:
  explicit SpectralNorm(const SpectralNormConfig& config) : OverSigma(config) {}

 private:
  at::Tensor weight_of(const std::vector<at::Tensor>& m) const override { return m[0] / sigma_of(m); }
};

}  // namespace
}  // namespace ingot::spectral_norm

namespace ingot {

void register_spectral_norm(Family<ParametrizationEntry>& family) {
  add_parametrization<spectral_norm::SpectralNormConfig, spectral_norm::SpectralNorm>(
      family, "spectral_norm", "The weight over its largest singular value.", "Miyato et al. 2018, arXiv:1802.05957",
      {"{iterations: 3, embeddings: true}"});
}

}  // namespace ingot
