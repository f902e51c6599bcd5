// RMSNorm: y_i = gain_i · x_i / sqrt(mean_j x_j² + eps)
//
//   x [..., d], gain [d] starting at 1. Statistics in fp32; the normalised value is cast to x's type before the gain.
//   Zhang & Sennrich 2019, "Root Mean Square Layer Normalization", arXiv:1910.07467, eq. 4; eps inside the root as in
//   LLaMA.
//
//   eps_mode outside: y = gain · x / (sqrt(mean x²) + eps), as the paper's authors released it with eps 1e-8; all in
//   fp32.
//   bias: an offset that starts at 0, left out by default as in the paper's release.
//   zero_centred: (1 + gain) in place of gain, which starts at 0; multiplied in fp32, then cast (Gemma 1 to 3).

#include "ops/rms_norm/rms_norm.h"

#include <ATen/TensorOperators.h>

#include "config/fields.h"
#include "nn/norm_parts.h"

namespace ingot {
namespace rms_norm {

enum class EpsMode { kInside, kOutside };

struct Config {
  double eps = 1e-6;
  EpsMode eps_mode = EpsMode::kInside;
  bool zero_centred = false;
  bool bias = false;
};

void describe(Fields& f, Config& c) {
  f.field("eps", c.eps, "added to the mean square before the root", Rule{}.above(0));
  f.choice("eps_mode", c.eps_mode, {{"inside", EpsMode::kInside}, {"outside", EpsMode::kOutside}},
           "outside: eps is added to the root instead");
  f.field("zero_centred", c.zero_centred,
          "the factor is 1 + gain and the gain starts at 0, so that decay pulls it to 1");
  f.field("bias", c.bias, "whether a learned bias is added");
}

class RmsNorm final : public norms::ClosedFormNorm {
 public:
  using Norm::forward;

  RmsNorm(const Config& config, const NormContext& context) : config_(config) {
    gain_ = context.scope.declare(
        norms::vector_spec("gain", context.width, context.gain_start - (config.zero_centred ? 1 : 0)));
    if (config.bias) declare_bias(context);
  }

  at::Tensor forward(const at::Tensor& x, const NormInput& input) const override {
    const at::Tensor gain = config_.zero_centred ? gain_.compute() + 1 : gain_.compute();
    // The kernel rounds the normalised value to x's type, which zero-centred gains must not.
    const bool rounds_once = x.scalar_type() != at::kBFloat16 || !config_.zero_centred;
    const bool fits_kernel = config_.eps_mode == EpsMode::kInside && rounds_once && !config_.bias;
    if (fits_kernel) return ops::rms_norm(x, gain, config_.eps, input.out_type);
    return apply(x, gain, config_.bias ? bias_.compute() : at::Tensor(), input);
  }

 private:
  at::Tensor normalise(const at::Tensor& x, const norms::Tensors& /*inner*/) const override {
    if (config_.eps_mode == EpsMode::kInside) return x / norms::root_mean_square(x, config_.eps);
    return norms::over_partial_rms(x, x.size(-1), config_.eps);
  }
  norms::Tensors gradients(const at::Tensor& g, const at::Tensor& x, const at::Tensor& /*n*/,
                           const norms::Tensors& /*inner*/) const override {
    if (config_.eps_mode == EpsMode::kInside) {
      return {norms::rms_gradient(g, x, norms::root_mean_square(x, config_.eps))};
    }
    return {norms::partial_rms_gradient(g, x, x.size(-1), config_.eps)};
  }

  Config config_;
};

at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params) {
  const at::Tensor gain = config.zero_centred ? 1 + params.at("gain") : params.at("gain");
  if (config.eps_mode == EpsMode::kInside && !config.bias) return ops::rms_norm_reference(x, gain, config.eps);
  const at::Tensor w = norms::wide(x), mean_square = w.square().mean(-1, true);
  const bool inside = config.eps_mode == EpsMode::kInside;
  const at::Tensor y = gain * w / (inside ? (mean_square + config.eps).sqrt() : mean_square.sqrt() + config.eps);
  return (config.bias ? y + params.at("bias") : y).to(x.scalar_type());
}

}  // namespace rms_norm

void register_rms_norm(Family<NormEntry>& family) {
  using namespace rms_norm;
  using rms_norm::EpsMode;
  auto& e = add_entry<Config, RmsNorm>(family, "rms_norm", "Divides by the root mean square and multiplies by a gain.",
                                       "Zhang & Sennrich 2019, arXiv:1910.07467");
  e.neutral_gain = with_settings<Config>([](const Config& config) { return config.zero_centred ? 0.0 : 1.0; });
  e.flops_per_element = 4;
  e.samples = named_samples<Config>({{"default", {}},
                                     {"outside", {1e-8, EpsMode::kOutside, false}},
                                     {"zero_centred", {1e-6, EpsMode::kInside, true}},
                                     {"outside_zero_centred", {1e-2, EpsMode::kOutside, true}},
                                     {"bias", {1e-6, EpsMode::kInside, false, true}}});
}

}  // namespace ingot
