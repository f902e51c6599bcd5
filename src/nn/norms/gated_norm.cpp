// GatedNorm: y = u · f(W_up silu(W_down u)),  u = gain · x / sqrt(mean x² + eps)
//
//   x [..., d]; W_down [rank, d], W_up [d, rank], gain [d] starting at 1; f = sigmoid. With two_sigma f = 2 sigmoid and
//   W_up starts at 0, so that it starts as RMSNorm; else it starts near u / 2. Statistics in fp32; u is rounded to x's
//   type, the products run in the weights' type, the gate and its product with u in fp32.
//   Qiu et al. 2026, "A Unified View of Attention and Residual Sinks", arXiv:2601.22966: rank 16, after every
//   RMSNorm but q's and k's; the two matrices decay.

#include <ATen/TensorOperators.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>

#include "config/fields.h"
#include "config/limits.h"
#include "nn/norm_parts.h"
#include "ops/rms_norm/rms_norm.h"

namespace ingot {
namespace gated_norm {

struct Config {
  std::int64_t rank = 16;
  bool two_sigma = false;
  double eps = 1e-6;
};

void describe(Fields& f, Config& c) {
  f.field("rank", c.rank, "inner width of the gate", Rule{}.at_least(1).at_most(limits::kWidth));
  f.field("two_sigma", c.two_sigma, "whether the gate is twice the sigmoid and starts at 1");
  f.field("eps", c.eps, "added to the mean square before the root", Rule{}.above(0));
}

class GatedNorm final : public Norm {
 public:
  using Norm::forward;

  GatedNorm(const Config& config, const NormContext& context)
      : factor_(config.two_sigma ? 2.0 : 1.0),
        eps_(config.eps),
        gain_(context.scope.declare(norms::vector_spec("gain", context.width, context.gain_start))) {
    down_ = Linear(context.scope, {"down.weight", {config.rank, context.width}, Role::kInner, "", -1, nullptr, ""});
    ParamSpec up{"up.weight", {context.width, config.rank}, Role::kInner, "", -1, nullptr, ""};
    if (config.two_sigma) {
      up.fixed_init = constant_init(0);
      up.fixed_init_name = "zeros";
    }
    up_ = Linear(context.scope, up);
  }

  at::Tensor forward(const at::Tensor& x, const NormInput& input) const override {
    const at::Tensor u = ops::rms_norm(x, gain_.compute(), eps_);
    const at::Tensor gate = at::sigmoid(norms::wide(up_.forward(at::silu(down_.forward(u)))));
    return (norms::wide(u) * gate * factor_).to(input.out_type.value_or(x.scalar_type()));
  }

 private:
  double factor_, eps_;
  Param gain_;
  Linear down_, up_;
};

at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params) {
  const at::Tensor w = norms::wide(x);
  const at::Tensor u = params.at("gain") * w * at::rsqrt(w.square().mean(-1, true) + config.eps);
  const at::Tensor hidden = at::linear(u, params.at("down.weight"));
  const at::Tensor gate = at::linear(hidden / (1 + (-hidden).exp()), params.at("up.weight"));
  const at::Tensor y = u / (1 + (-gate).exp());
  return (config.two_sigma ? 2 * y : y).to(x.scalar_type());
}

}  // namespace gated_norm

void register_gated_norm(Family<NormEntry>& family) {
  auto& e = add_entry<gated_norm::Config, gated_norm::GatedNorm>(
      family, "gated_norm", "RMSNorm times a low-rank gate of its own output.", "Qiu et al. 2026, arXiv:2601.22966");
  e.flops_per_element = 8 + 4 * 16;
  e.samples = named_samples<gated_norm::Config>({{"default", {}}, {"two_sigma", {8, true, 1e-6}}});
}

}  // namespace ingot
