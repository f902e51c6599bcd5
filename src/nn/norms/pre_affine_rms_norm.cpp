// PreAffine RMSNorm: y = gain · u / sqrt(mean u² + eps),  u = pre_gain · x
//
//   x [..., d]; gain and pre_gain [d] start at 1. pre_gain takes over what outlier channels would else do to the
//   others. Computed in fp32, one rounding.
//   Qiu et al. 2026, "A Unified View of Attention and Residual Sinks", arXiv:2601.22966.

#include <ATen/TensorOperators.h>
#include <ATen/ops/rsqrt.h>

#include "config/fields.h"
#include "nn/norm_parts.h"

namespace ingot {
namespace pre_affine_rms_norm {

struct Config {
  double eps = 1e-6;
};

void describe(Fields& f, Config& c) {
  f.field("eps", c.eps, "added to the mean square before the root", Rule{}.above(0));
}

class PreAffineRmsNorm final : public norms::ClosedFormNorm {
 public:
  PreAffineRmsNorm(const Config& config, const NormContext& context) : eps_(config.eps) {
    declare_inner(context, gain_spec("pre_gain", context.width));
    declare_gain(context);
  }

 private:
  at::Tensor normalise(const at::Tensor& x, const norms::Tensors& inner) const override {
    const at::Tensor u = inner[0] * x;
    return u / norms::root_mean_square(u, eps_);
  }
  norms::Tensors gradients(const at::Tensor& g, const at::Tensor& x, const at::Tensor& /*n*/,
                           const norms::Tensors& inner) const override {
    const at::Tensor u = inner[0] * x;
    const at::Tensor du = norms::rms_gradient(g, u, norms::root_mean_square(u, eps_));
    return {inner[0] * du, du * x};
  }

  double eps_;
};

at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params) {
  const at::Tensor u = params.at("pre_gain") * norms::wide(x);
  return (params.at("gain") * u * at::rsqrt(u.square().mean(-1, true) + config.eps)).to(x.scalar_type());
}

}  // namespace pre_affine_rms_norm

void register_pre_affine_rms_norm(Family<NormEntry>& family) {
  auto& e = add_entry<pre_affine_rms_norm::Config, pre_affine_rms_norm::PreAffineRmsNorm>(
      family, "pre_affine_rms_norm", "RMSNorm with a gain before it and one behind it.",
      "Qiu et al. 2026, arXiv:2601.22966");
  e.flops_per_element = 5;
}

}  // namespace ingot
