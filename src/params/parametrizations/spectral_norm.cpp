// Spectral normalisation: the weight over its largest singular value.
//
//   W = w / σ      σ = uᵀ w v
//   once a step:   u ← w v / |w v|,  v ← wᵀ u / |wᵀ u|
//
// w [out, in]; u [out], v [in]: the largest singular value's vectors, by power iteration. They count as constants in
// the gradient, which is dw = (dW - <dW, W> u vᵀ) / σ. The scale of a start weight is lost; that of w only sets the
// size of a step, and so does decay. Miyato et al. 2018, equation 8 and algorithm 1. u and v start after as many
// iterations as PyTorch's spectral_norm takes, from the longest row of w: from afar σ is too small.

#include <ATen/TensorOperators.h>

#include "config/fields.h"
#include "params/autograd_parametrization.h"

namespace ingot::spectral_norm {
namespace {

struct SpectralNormConfig {
  std::int64_t iterations = 1;
  bool embeddings = false;
};

void describe(Fields& f, SpectralNormConfig& c) {
  f.field("iterations", c.iterations, "power iterations in each step", Rule{}.at_least(1));
  f.field("embeddings", c.embeddings, "whether embedding and head are included");
}

class SpectralNorm final : public AutogradParametrization {
 public:
  explicit SpectralNorm(const SpectralNormConfig& config) : config_(config) {}
  bool applies(const ParamInfo& info) const override { return is_weight_matrix(info, config_.embeddings); }
  Granularity granularity(const ParamInfo& /*info*/) const override { return Granularity::kMatrix; }
  std::vector<MasterSpec> masters(const ParamInfo& info) const override {
    return {{".w", info.shape}, {".u", {info.shape[0]}, /*trained=*/false}, {".v", {info.shape[1]}, /*trained=*/false}};
  }

  void advance(std::vector<at::Tensor>& m) const override { iterate(m, config_.iterations); }
  void assign(const at::Tensor& weight, std::vector<at::Tensor>& m) const override {
    m[0].copy_(weight);
    m[2].copy_(weight[weight.norm(2, 1).argmax()]);
    iterate(m, /*times=*/15);
  }
  bool can_assign() const override { return false; }

 private:
  at::Tensor weight_of(const std::vector<at::Tensor>& m) const override {
    return m[0] / positive(m[1].dot(m[0].mv(m[2])));
  }
  static void iterate(std::vector<at::Tensor>& m, std::int64_t times) {
    for (std::int64_t i = 0; i < times; ++i) {
      m[1].copy_(unit(m[0].mv(m[2])));
      m[2].copy_(unit(m[0].t().mv(m[1])));
    }
  }
  static at::Tensor unit(const at::Tensor& x) { return x / positive(x.norm()); }
  /// 1 in place of 0: a zero matrix stays zero.
  static at::Tensor positive(const at::Tensor& x) { return x.masked_fill(x.eq(0), 1); }

  SpectralNormConfig config_;
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
