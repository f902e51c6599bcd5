// LayerNorm: y = gain · (x - mean x) / sqrt(var x + eps) + bias
//
//   x [..., d]; the variance is the biased one; gain [d] starts at 1, bias [d] at 0. Statistics in fp32.
//   Ba, Kiros & Hinton 2016, "Layer Normalization", arXiv:1607.06450.

#include "ops/layer_norm/layer_norm.h"

#include "config/fields.h"
#include "nn/norm_parts.h"

namespace ingot {
namespace layer_norm {

struct Config {
  double eps = 1e-5;
  bool bias = true;
};

void describe(Fields& f, Config& c) {
  f.field("eps", c.eps, "added to the variance before the root", Rule{}.above(0));
  f.field("bias", c.bias, "whether a learned bias is added");
}

class LayerNorm final : public Norm {
 public:
  using Norm::forward;

  LayerNorm(const Config& config, const NormContext& context)
      : eps_(config.eps), gain_(context.scope.declare(norms::vector_spec("gain", context.width, context.gain_start))) {
    if (config.bias) bias_ = context.scope.declare(bias_spec("bias", context.width));
  }

  at::Tensor forward(const at::Tensor& x, const NormInput& input) const override {
    return ops::layer_norm(x, gain_.compute(), bias_ ? bias_.compute() : at::Tensor(), eps_, input.out_type);
  }

 private:
  double eps_;
  Param gain_;
  Param bias_;
};

at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params) {
  return ops::layer_norm_reference(x, params.at("gain"), config.bias ? params.at("bias") : at::Tensor(), config.eps);
}

}  // namespace layer_norm

void register_layer_norm(Family<NormEntry>& family) {
  auto& e = add_entry<layer_norm::Config, layer_norm::LayerNorm>(
      family, "layer_norm", "Subtracts the mean, divides by the standard deviation; gain and bias.",
      "Ba, Kiros & Hinton 2016, arXiv:1607.06450");
  e.neutral_gain = norms::neutral_at_one;
  e.flops_per_element = 7;
  e.samples = named_samples<layer_norm::Config>({{"bias", {}}, {"no_bias", {1e-5, false}}});
}

}  // namespace ingot
