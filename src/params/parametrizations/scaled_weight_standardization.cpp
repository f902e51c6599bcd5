// Scaled weight standardisation: the weights of each output with mean 0 and a learned length.
//
//   W_i = c g_i (w_i - μ_i) / √max(n v_i, eps)      μ_i mean, v_i variance (n) of row i of w [out, n]
//
//   dg_i = c <dW_i, z_i> / √n,  dw_i = (c g_i / √(n v_i)) (dW_i - mean(dW_i) - z_i mean(dW_i ⊙ z_i)),
//   z_i = (w_i - μ_i) / √v_i
//
// g [out]; c is `activation_gain`: one over the standard deviation that the nonlinearity makes of N(0, 1) (relu 1.7129,
// silu 1.7872, gelu 1.7009), where the layer's input comes from one; the authors have it in the nonlinearity.
// Brock et al. 2021, "Characterizing signal propagation to close the performance gap in unnormalized ResNets",
// arXiv:2101.08692, equation 2; mean, variance, eps and g = 1 at the start as in the authors' code (nfnets). With
// `start: weight` g has the lengths of the centred rows of the start weight instead. Decay acts on w, where it sets the
// size of steps alone, and not on g, as theirs.

#include <ATen/TensorOperators.h>
#include <ATen/ops/var_mean.h>

#include <utility>

#include "params/autograd_parametrization.h"
#include "params/gain_start.h"

namespace ingot::scaled_weight_standardization {
namespace {

struct ScaledConfig {
  GainStart start = GainStart::kOne;
  double activation_gain = 1;
  double eps = 1e-4;
  bool embeddings = false;
};

void describe(Fields& f, ScaledConfig& c) {
  describe(f, c.start);
  f.field("activation_gain", c.activation_gain, "a constant factor, c above", Rule{}.above(0));
  f.field("eps", c.eps, "the least n times variance that a row is divided by the root of", Rule{}.above(0));
  f.field("embeddings", c.embeddings, "whether embedding and head are included");
}

class ScaledWeightStandardization final : public AutogradParametrization {
 public:
  explicit ScaledWeightStandardization(const ScaledConfig& config) : config_(config) {}
  bool applies(const ParamInfo& info) const override {
    return is_weight_matrix(info, config_.embeddings) && info.shape[1] > 1;
  }
  Granularity granularity(const ParamInfo& /*info*/) const override { return Granularity::kRow; }
  std::vector<MasterSpec> masters(const ParamInfo& info) const override {
    MasterSpec w{".w", info.shape}, gain{".gain", {info.shape[0]}};
    w.scale_free = true;
    gain.decays = false;
    return {w, gain};
  }
  void assign(const at::Tensor& weight, std::vector<at::Tensor>& m) const override {
    m[0].copy_(weight);
    if (config_.start == GainStart::kWeight) {
      m[1].copy_(centred(weight).second.flatten() / config_.activation_gain);
    } else {
      m[1].fill_(1);
    }
  }
  bool can_assign() const override { return false; }

 private:
  /// w - μ and √max(n v, eps) [out, 1]
  std::pair<at::Tensor, at::Tensor> centred(const at::Tensor& w) const {
    const auto [var, mean] = at::var_mean(w, at::IntArrayRef{1}, /*unbiased=*/false, /*keepdim=*/true);
    return {w - mean, (var * w.size(1)).clamp_min(config_.eps).sqrt()};
  }
  at::Tensor weight_of(const std::vector<at::Tensor>& m) const override {
    const auto [w, length] = centred(m[0]);
    return w * (config_.activation_gain * m[1].unsqueeze(1) / length);
  }

  ScaledConfig config_;
};

}  // namespace
}  // namespace ingot::scaled_weight_standardization

namespace ingot {

void register_scaled_weight_standardization(Family<ParametrizationEntry>& family) {
  using namespace scaled_weight_standardization;
  add_parametrization<ScaledConfig, ScaledWeightStandardization>(
      family, "scaled_weight_standardization", "Weights of each output with mean 0 and a learned length.",
      "Brock et al. 2021, arXiv:2101.08692", {"{start: weight, activation_gain: 1.7872}", "{embeddings: true}"});
}

}  // namespace ingot
