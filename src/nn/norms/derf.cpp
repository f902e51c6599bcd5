// Derf: y = gain · erf(alpha x + shift) + bias
//
//   x [..., d]; alpha and shift (starting at 0) are one number each, gain [d] starts at 1, bias [d] at 0. No
//   statistics. Computed in fp32, one rounding.
//   Chen et al. 2025, "Stronger Normalization-Free Transformers", arXiv:2512.10938. alpha starts at 1 and the bias
//   stays in their GPT-2, whose embedding, positions included, is multiplied by a learned number that starts at
//   sqrt(d): the norm brings `model.embedding_factor: learned`, unless the config sets another. alpha 0.5 for images.

#include <ATen/TensorOperators.h>
#include <ATen/ops/erf.h>
#include <ATen/ops/erfc.h>
#include <ATen/ops/exp.h>

#include "config/fields.h"
#include "nn/norm_parts.h"

namespace ingot {
namespace derf {

struct Config {
  double alpha = 1;
  bool bias = true;
};

void describe(Fields& f, Config& c) {
  f.field("alpha", c.alpha, "start value of the learned slope", Rule{}.above(0));
  f.field("bias", c.bias, "whether a learned bias is added");
}

class Derf final : public norms::ClosedFormNorm {
 public:
  Derf(const Config& config, const NormContext& context) {
    declare_inner(context, norms::scalar_spec("alpha", config.alpha));
    declare_inner(context, norms::scalar_spec("shift", 0));
    declare_gain(context);
    if (config.bias) declare_bias(context);
  }

 private:
  static at::Tensor inside(const at::Tensor& x, const norms::Tensors& inner) { return inner[0] * x + inner[1]; }
  at::Tensor normalise(const at::Tensor& x, const norms::Tensors& inner) const override {
    return at::erf(inside(x, inner));
  }
  norms::Tensors gradients(const at::Tensor& g, const at::Tensor& x, const at::Tensor& /*n*/,
                           const norms::Tensors& inner) const override {
    static const double kSlope = 2 / std::sqrt(std::acos(-1.0));
    const at::Tensor du = g * kSlope * at::exp(-inside(x, inner).square());
    return {inner[0] * du, du * x, du};
  }
};

at::Tensor reference(const Config& /*config*/, const at::Tensor& x, const ParamMap& params) {
  const at::Tensor u = norms::wide(x) * params.at("alpha") + params.at("shift");
  return norms::with_affine(1 - at::erfc(u), params).to(x.scalar_type());
}

}  // namespace derf

void register_derf(Family<NormEntry>& family) {
  auto& e = add_entry<derf::Config, derf::Derf>(
      family, "derf", "The error function in place of a norm, with a learned slope and shift.",
      "Chen et al. 2025, arXiv:2512.10938");
  e.neutral_gain = norms::neutral_at_one;
  e.learns_embedding_factor = true;
  e.flops_per_element = 4;
  e.samples = named_samples<derf::Config>({{"default", {}}, {"no_bias", {0.5, false}}});
}

}  // namespace ingot
