// Elementwise LayerNorm, DyISRU: y_i = gain_i · sqrt(d) x_i / sqrt(beta + x_i²) + bias_i
//
//   x [..., d]; gain [d] starts at 1, bias [d] at 0; beta > 0 is one number, learned as log_beta. No statistics: beta
//   stands for the sum of the other channels' squares. |y_i| < sqrt(d) before gain and bias. Computed in fp32, one
//   rounding.
//   Stollenwerk 2025, "The Mathematical Relationship Between Layer Normalization and Dynamic Activation Functions",
//   arXiv:2503.21708. The paper gives no start value; ours is beta = d · variance, with which small entries of rows of
//   that variance come out as LayerNorm would have them.

#include <ATen/TensorOperators.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/rsqrt.h>

#include "config/fields.h"
#include "nn/norm_parts.h"

namespace ingot {
namespace elementwise_layer_norm {

struct Config {
  double variance = 1;
  bool bias = true;
};

void describe(Fields& f, Config& c) {
  f.field("variance", c.variance, "beta starts at this times the width", Rule{}.above(0));
  f.field("bias", c.bias, "whether a learned bias is added");
}

class ElementwiseLayerNorm final : public norms::ClosedFormNorm {
 public:
  ElementwiseLayerNorm(const Config& config, const NormContext& context)
      : root_width_(std::sqrt(static_cast<double>(context.width))) {
    const double beta = config.variance * static_cast<double>(context.width);
    declare_inner(context, norms::scalar_spec("log_beta", std::log(beta)));
    declare_gain(context);
    if (config.bias) declare_bias(context);
  }

 private:
  at::Tensor normalise(const at::Tensor& x, const norms::Tensors& inner) const override {
    return root_width_ * x * at::rsqrt(inner[0].exp() + x.square());
  }
  norms::Tensors gradients(const at::Tensor& g, const at::Tensor& x, const at::Tensor& /*n*/,
                           const norms::Tensors& inner) const override {
    const at::Tensor beta = inner[0].exp();
    const at::Tensor r = at::rsqrt(beta + x.square());
    const at::Tensor dx = g * (r * r.square()) * (root_width_ * beta);
    return {dx, -0.5 * x * dx};  // d/d log beta = beta d/d beta
  }

  double root_width_;
};

at::Tensor reference(const Config& /*config*/, const at::Tensor& x, const ParamMap& params) {
  const at::Tensor w = norms::wide(x);
  const at::Tensor mean_square = (params.at("log_beta").exp() + w.square()) / x.size(-1);
  return norms::with_affine(w / mean_square.sqrt(), params).to(x.scalar_type());
}

}  // namespace elementwise_layer_norm

void register_elementwise_layer_norm(Family<NormEntry>& family) {
  auto& e = add_entry<elementwise_layer_norm::Config, elementwise_layer_norm::ElementwiseLayerNorm>(
      family, "elementwise_layer_norm",
      "x divided by the root of beta + x² (DyISRU): like LayerNorm, without statistics.",
      "Stollenwerk 2025, arXiv:2503.21708");
  e.neutral_gain = norms::neutral_at_one;
  e.flops_per_element = 5;
  e.samples = named_samples<elementwise_layer_norm::Config>({{"default", {}}, {"small", {0.01, false}}});
}

}  // namespace ingot
