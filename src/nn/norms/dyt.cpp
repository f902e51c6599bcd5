// DyT: y = gain · tanh(alpha x) + bias
//
//   x [..., d]; alpha is one number, gain [d] starts at 1, bias [d] at 0 (`bias: true`; LLaMA-style models have none).
//   No statistics. Computed in fp32, one rounding.
//   Zhu et al. 2025, "Transformers without Normalization", arXiv:2503.10622, algorithm 1. alpha of their LLaMA by
//   width, input norms of attention / all others: 4096: 0.8 / 0.2, 5120: 0.6 / 0.15, 8192: 0.2 / 0.05 (set it per
//   operator under `sites`); 0.5 for images. Their LLaMA multiplies the embedding by a learned number that starts at
//   sqrt(d): the norm brings `model.embedding_factor: learned`, unless the config sets another.

#include "ops/dyt/dyt.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tanh.h>

#include "config/fields.h"
#include "nn/norm_parts.h"
#include "ops/row_norm/row_norm.h"

namespace ingot {
namespace dyt {

struct Config {
  double alpha = 1;
  bool bias = false;
};

void describe(Fields& f, Config& c) {
  f.field("alpha", c.alpha, "start value of the learned slope", Rule{}.above(0));
  f.field("bias", c.bias, "whether a learned bias is added");
}

class Dyt final : public norms::ClosedFormNorm {
 public:
  using Norm::forward;

  Dyt(const Config& config, const NormContext& context) {
    declare_inner(context, norms::scalar_spec("alpha", config.alpha));
    declare_gain(context);
    if (config.bias) declare_bias(context);
  }

  at::Tensor forward(const at::Tensor& x, const NormInput& input) const override {
    const at::ScalarType type = input.out_type.value_or(x.scalar_type());
    if (!ops::has_row_norm_kernel(x, type)) return ClosedFormNorm::forward(x, input);
    return ops::dyt(x, inner(0), gain_.compute(), bias_ ? bias_.compute() : at::Tensor(), type);
  }

 private:
  at::Tensor normalise(const at::Tensor& x, const norms::Tensors& inner) const override {
    return at::tanh(inner[0] * x);
  }
  norms::Tensors gradients(const at::Tensor& g, const at::Tensor& x, const at::Tensor& n,
                           const norms::Tensors& inner) const override {
    const at::Tensor du = g * (1 - n.square());
    return {inner[0] * du, du * x};
  }
};

at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params) {
  return ops::dyt_reference(x, params.at("alpha"), params.at("gain"), config.bias ? params.at("bias") : at::Tensor());
}

}  // namespace dyt

void register_dyt(Family<NormEntry>& family) {
  auto& e = add_entry<dyt::Config, dyt::Dyt>(family, "dyt",
                                             "A tanh with a learned slope in place of a norm, without statistics.",
                                             "Zhu et al. 2025, arXiv:2503.10622");
  e.neutral_gain = norms::neutral_at_one;
  e.learns_embedding_factor = true;
  e.flops_per_element = 3;
  e.samples = named_samples<dyt::Config>({{"default", {}}, {"bias", {0.5, true}}});
}

}  // namespace ingot
