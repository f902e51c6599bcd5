// SimpleRMSNorm: y = x / sqrt(mean x² + eps), nothing learned
//
//   x [..., d]. Statistics in fp32, one rounding. What a gain would do is left to the next product.
//   Qin et al. 2023, "TransNormerLLM", arXiv:2307.14995 (y = sqrt(d) x / ‖x‖); eps as in LLaMA's RMSNorm.

#include <ATen/TensorOperators.h>

#include "config/fields.h"
#include "nn/norm_parts.h"
#include "ops/rms_norm/rms_norm.h"

namespace ingot {
namespace simple_rms_norm {

struct Config {
  double eps = 1e-6;
};

void describe(Fields& f, Config& c) {
  f.field("eps", c.eps, "added to the mean square before the root", Rule{}.above(0));
}

class SimpleRmsNorm final : public Norm {
 public:
  using Norm::forward;

  SimpleRmsNorm(const Config& config, const NormContext& /*context*/) : eps_(config.eps) {}

  at::Tensor forward(const at::Tensor& x, const NormInput& input) const override {
    return ops::rms_norm(x, {}, eps_, input.out_type);
  }

 private:
  double eps_;
};

at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& /*params*/) {
  const at::Tensor w = norms::wide(x);
  const auto d = static_cast<double>(x.size(-1));
  return (w * std::sqrt(d) / (w.square().sum(-1, true) + d * config.eps).sqrt()).to(x.scalar_type());
}

}  // namespace simple_rms_norm

void register_simple_rms_norm(Family<NormEntry>& family) {
  auto& e = add_entry<simple_rms_norm::Config, simple_rms_norm::SimpleRmsNorm>(
      family, "simple_rms_norm", "Divides by the root mean square; nothing is learned.",
      "Qin et al. 2023, arXiv:2307.14995");
  e.has_gain = false;
  e.flops_per_element = 3;
}

}  // namespace ingot
