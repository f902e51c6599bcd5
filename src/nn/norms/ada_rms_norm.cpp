// AdaRMSNorm: y = x / sqrt(mean x² + eps) · sqrt(mean (alpha x + beta)² + eps)
//
//   x [..., d]; alpha [d] starts at 0 and beta [d] at 1, so that it starts as RMSNorm without a gain (times sqrt(1 +
//   eps)); alpha gives back what the division took of x's size. Computed in fp32, one rounding.
//   Ma et al. 2025, "Plain Transformers Can be Powerful Graph Learners", arXiv:2504.12588. Elsewhere the name means a
//   gain that is predicted from a condition.

#include <ATen/TensorOperators.h>
#include <ATen/ops/rsqrt.h>

#include "config/fields.h"
#include "nn/norm_parts.h"

namespace ingot {
namespace ada_rms_norm {

struct Config {
  double eps = 1e-6;
};

void describe(Fields& f, Config& c) {
  f.field("eps", c.eps, "added to both mean squares before their roots", Rule{}.above(0));
}

class AdaRmsNorm final : public norms::ClosedFormNorm {
 public:
  AdaRmsNorm(const Config& config, const NormContext& context) : eps_(config.eps) {
    declare_inner(context, norms::vector_spec("alpha", context.width, 0));
    declare_inner(context, norms::vector_spec("beta", context.width, 1));
  }

 private:
  at::Tensor normalise(const at::Tensor& x, const norms::Tensors& inner) const override {
    const at::Tensor u = inner[0] * x + inner[1];
    return x * (norms::root_mean_square(u, eps_) / norms::root_mean_square(x, eps_));
  }
  // With s and q the two roots: dq = <g, x> / s, du = dq · u / (d q).
  norms::Tensors gradients(const at::Tensor& g, const at::Tensor& x, const at::Tensor& /*n*/,
                           const norms::Tensors& inner) const override {
    const at::Tensor u = inner[0] * x + inner[1];
    const at::Tensor s = norms::root_mean_square(x, eps_), q = norms::root_mean_square(u, eps_);
    const at::Tensor du = norms::row_mean(g * x) / (s * q) * u;
    return {norms::rms_gradient(g * q, x, s) + du * inner[0], du * x, du};
  }

  double eps_;
};

at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params) {
  const at::Tensor w = norms::wide(x);
  const at::Tensor scale = ((params.at("alpha") * w + params.at("beta")).square().mean(-1, true) + config.eps).sqrt();
  return (w * at::rsqrt(w.square().mean(-1, true) + config.eps) * scale).to(x.scalar_type());
}

}  // namespace ada_rms_norm

void register_ada_rms_norm(Family<NormEntry>& family) {
  auto& e = add_entry<ada_rms_norm::Config, ada_rms_norm::AdaRmsNorm>(
      family, "ada_rms_norm", "RMSNorm times a learned size that depends on x.", "Ma et al. 2025, arXiv:2504.12588");
  e.has_gain = false;
  e.flops_per_element = 8;
}

}  // namespace ingot
