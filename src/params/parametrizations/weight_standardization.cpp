// Weight standardisation: the weights of each output with mean 0 and standard deviation 1.
//
//   W_i = (w_i - μ_i) / (s_i + eps)      μ_i mean, s_i standard deviation (n - 1) of row i of w [out, in]
//
// Qiao et al. 2019, "Micro-Batch Training with Batch-Channel Normalization and Weight Standardization",
// arXiv:1903.10520, eps and s as in the authors' PyTorch code. A row then has length √n: the method expects a norm
// behind every matrix; without one take scaled_weight_standardization. The scale of a start weight is lost; that of w
// sets the size of steps alone. A constant row gives zeros.

#include <ATen/TensorOperators.h>
#include <ATen/ops/var_mean.h>

#include "config/fields.h"
#include "params/autograd_parametrization.h"

namespace ingot::weight_standardization {
namespace {

struct WeightStandardizationConfig {
  double eps = 1e-5;
  bool embeddings = false;
};

void describe(Fields& f, WeightStandardizationConfig& c) {
  f.field("eps", c.eps, "added to the standard deviation", Rule{}.at_least(0));
  f.field("embeddings", c.embeddings, "whether embedding and head are included");
}

class WeightStandardization final : public AutogradParametrization {
 public:
  explicit WeightStandardization(const WeightStandardizationConfig& config) : config_(config) {}
  bool applies(const ParamInfo& info) const override {
    return is_weight_matrix(info, config_.embeddings) && info.shape[1] > 1;
  }
  Granularity granularity(const ParamInfo& /*info*/) const override { return Granularity::kRow; }
  std::vector<MasterSpec> masters(const ParamInfo& info) const override {
    MasterSpec w{".w", info.shape};
    w.scale_free = true;
    return {w};
  }
  void assign(const at::Tensor& weight, std::vector<at::Tensor>& m) const override { m[0].copy_(weight); }
  bool can_assign() const override { return false; }

 private:
  at::Tensor weight_of(const std::vector<at::Tensor>& m) const override {
    const auto [var, mean] = at::var_mean(m[0], at::IntArrayRef{1}, /*unbiased=*/true, /*keepdim=*/true);
    const at::Tensor std = var.masked_fill(var.eq(0), 1).sqrt();  // the root has no gradient at 0
    return (m[0] - mean) / (std + config_.eps);
  }

  WeightStandardizationConfig config_;
};

}  // namespace
}  // namespace ingot::weight_standardization

namespace ingot {

void register_weight_standardization(Family<ParametrizationEntry>& family) {
  add_parametrization<weight_standardization::WeightStandardizationConfig,
                      weight_standardization::WeightStandardization>(
      family, "weight_standardization", "Weights of each output with mean 0 and standard deviation 1.",
      "Qiao et al. 2019, arXiv:1903.10520", {"{eps: 0, embeddings: true}"});
}

}  // namespace ingot
