// pRMSNorm: y_i = gain_i · x_i / (sqrt(mean_{j < k} x_j²) + eps),  k = floor(fraction · d), at least 1
//
//   x [..., d], gain [d] starting at 1. The statistic, of the first k channels alone, and all else in fp32; y is
//   rounded once. Channels from k on have no projection term in their gradient.
//   Zhang & Sennrich 2019, "Root Mean Square Layer Normalization", arXiv:1910.07467 (pRMSNorm, 6.25 % of the channels);
//   eps outside the root as the authors released it.

#include <ATen/TensorOperators.h>

#include <algorithm>

#include "config/fields.h"
#include "nn/norm_parts.h"

namespace ingot {
namespace partial_rms_norm {

struct Config {
  double fraction = 0.0625;
  double eps = 1e-8;
};

void describe(Fields& f, Config& c) {
  f.field("fraction", c.fraction, "share of the channels of which the root mean square is taken",
          Rule{}.above(0).at_most(1));
  f.field("eps", c.eps, "added to the root mean square", Rule{}.above(0));
}

std::int64_t channels(const Config& config, std::int64_t width) {
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(config.fraction * static_cast<double>(width)));
}

class PartialRmsNorm final : public norms::ClosedFormNorm {
 public:
  PartialRmsNorm(const Config& config, const NormContext& context)
      : eps_(config.eps), k_(channels(config, context.width)) {
    declare_gain(context);
  }

 private:
  at::Tensor normalise(const at::Tensor& x, const norms::Tensors& /*inner*/) const override {
    return norms::over_partial_rms(x, k_, eps_);
  }
  norms::Tensors gradients(const at::Tensor& g, const at::Tensor& x, const at::Tensor& /*n*/,
                           const norms::Tensors& /*inner*/) const override {
    return {norms::partial_rms_gradient(g, x, k_, eps_)};
  }

  double eps_;
  std::int64_t k_;
};

at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params) {
  const at::Tensor w = norms::wide(x);
  const std::int64_t k = channels(config, x.size(-1));
  const at::Tensor r = w.slice(-1, 0, k).square().sum(-1, true).div(k).sqrt();
  return norms::with_affine(w / (r + config.eps), params).to(x.scalar_type());
}

}  // namespace partial_rms_norm

void register_partial_rms_norm(Family<NormEntry>& family) {
  auto& e = add_entry<partial_rms_norm::Config, partial_rms_norm::PartialRmsNorm>(
      family, "partial_rms_norm", "Divides by the root mean square of the first channels.",
      "Zhang & Sennrich 2019, arXiv:1910.07467");
  e.neutral_gain = norms::neutral_at_one;
  e.flops_per_element = 3;
  e.samples = named_samples<partial_rms_norm::Config>({{"default", {}}, {"half", {0.5, 1e-2}}, {"all", {1, 1e-8}}});
}

}  // namespace ingot
