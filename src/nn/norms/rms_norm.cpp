// RMSNorm: y_i = gain_i · x_i / sqrt(mean_j x_j² + eps)
//
//   x [..., d], gain [d] starting at 1. Statistics in fp32; the normalised value is cast to x's type before the gain.
//   Zhang & Sennrich 2019, "Root Mean Square Layer Normalization", arXiv:1910.07467, eq. 4; eps inside the root as in
//   LLaMA.

#include "ops/rms_norm/rms_norm.h"

#include "config/fields.h"
#include "nn/linear.h"
#include "nn/norm.h"

namespace ingot {
namespace rms_norm {

struct Config {
  double eps = 1e-6;
};

void describe(Fields& f, Config& c) {
  f.field("eps", c.eps, "added to the mean square before the root", Rule{}.above(0));
}

class RmsNorm final : public Norm {
 public:
  using Norm::forward;

  RmsNorm(const Config& config, const NormContext& context)
      : eps_(config.eps), gain_(context.scope.declare(gain_spec("gain", context.width))) {}

  at::Tensor forward(const at::Tensor& x, const NormInput& input) const override {
    return ops::rms_norm(x, gain_.compute(), eps_, input.out_type);
  }

 private:
  double eps_;
  Param gain_;
};

at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params) {
  return ops::rms_norm_reference(x, params.at("gain"), config.eps);
}

}  // namespace rms_norm

void register_rms_norm(Family<NormEntry>& family) {
  using rms_norm::Config;
  NormEntry& e = family.add<Config>("rms_norm", "Divides by the root mean square and multiplies by a gain.",
                                    "Zhang & Sennrich 2019, arXiv:1910.07467");
  e.make = with_settings<Config>([](const Config& config, const NormContext& context) -> std::unique_ptr<Norm> {
    return std::make_unique<rms_norm::RmsNorm>(config, context);
  });
  e.reference = with_settings<Config>(rms_norm::reference);
  e.num_parameters = [](const ConfigObject&, std::int64_t width) { return width; };
  e.flops_per_element = 4;
}

}  // namespace ingot
