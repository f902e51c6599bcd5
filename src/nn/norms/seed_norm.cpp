// SeeDNorm: y = (gain + t · alpha) · x / sqrt(mean x² + eps),  t = tanh(<x, beta>)
//
//   x [..., d]; gain and alpha [d] start at 1, beta [d] at 0, so that it starts as RMSNorm. t is one number a row, or,
//   with `groups` n, one for each n-th of the channels (the multi-head form, made for images). Computed in fp32, one
//   rounding.
//   Cai et al. 2025, "SeeDNorm: Self-Rescaled Dynamic Normalization", arXiv:2510.22777. The paper decays alpha and
//   beta: a group of `optim.groups` for the names *.alpha and *.beta.

#include "ops/seed_norm/seed_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tanh.h>

#include "base/error.h"
#include "base/text.h"
#include "config/fields.h"
#include "config/limits.h"
#include "nn/norm_parts.h"

namespace ingot {
namespace seed_norm {

struct Config {
  std::int64_t groups = 1;
  double eps = 1e-5;
};

void describe(Fields& f, Config& c) {
  f.field("groups", c.groups, "equal parts of the channels with a tanh each",
          Rule{}.at_least(1).at_most(limits::kWidth));
  f.field("eps", c.eps, "added to the mean square before the root", Rule{}.above(0));
}

class SeedNorm final : public norms::ClosedFormNorm {
 public:
  using Norm::forward;

  SeedNorm(const Config& config, const NormContext& context) : eps_(config.eps), groups_(config.groups) {
    if (context.width % groups_ != 0) {
      throw ConfigError(cat("seed_norm: ", groups_, " groups do not divide the width ", context.width));
    }
    declare_inner(context, norms::vector_spec("gain", context.width, context.gain_start));
    declare_inner(context, norms::vector_spec("beta", context.width, 0));
    declare_inner(context, norms::vector_spec("alpha", context.width, 1));
  }

  at::Tensor forward(const at::Tensor& x, const NormInput& input) const override {
    const at::ScalarType type = input.out_type.value_or(x.scalar_type());
    if (!ops::has_seed_norm_kernel(x, groups_, type)) return ClosedFormNorm::forward(x, input);
    return ops::seed_norm(x, inner(0), inner(1), inner(2), groups_, eps_, type);
  }

 private:
  /// The sum over each group, for every channel of the group.
  at::Tensor group_sum(const at::Tensor& x) const {
    if (groups_ == 1) return x.sum(-1, true);
    const at::Tensor parts = x.unflatten(-1, {groups_, -1});
    return parts.sum(-1, true).expand_as(parts).reshape(x.sizes());
  }
  at::Tensor normalise(const at::Tensor& x, const norms::Tensors& inner) const override {
    const at::Tensor &gain = inner[0], &beta = inner[1], &alpha = inner[2];
    return (gain + at::tanh(group_sum(x * beta)) * alpha) * x / norms::root_mean_square(x, eps_);
  }
  norms::Tensors gradients(const at::Tensor& g, const at::Tensor& x, const at::Tensor& /*n*/,
                           const norms::Tensors& inner) const override {
    const at::Tensor &gain = inner[0], &beta = inner[1], &alpha = inner[2];
    const at::Tensor s = norms::root_mean_square(x, eps_);
    const at::Tensor t = at::tanh(group_sum(x * beta));
    const at::Tensor scaled = g * x / s;
    const at::Tensor du = group_sum(scaled * alpha) * (1 - t.square());  // of <x, beta>
    return {norms::rms_gradient(g * (gain + t * alpha), x, s) + du * beta, scaled, du * x, t * scaled};
  }

  double eps_;
  std::int64_t groups_;
};

at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params) {
  return ops::seed_norm_reference(x, params.at("gain"), params.at("beta"), params.at("alpha"), config.groups,
                                  config.eps);
}

}  // namespace seed_norm

void register_seed_norm(Family<NormEntry>& family) {
  auto& e = add_entry<seed_norm::Config, seed_norm::SeedNorm>(
      family, "seed_norm", "RMSNorm whose gain depends on x, through the tanh of a product with it.",
      "Cai et al. 2025, arXiv:2510.22777");
  e.flops_per_element = 8;
  e.samples = named_samples<seed_norm::Config>({{"default", {}}, {"groups", {4, 1e-5}}});
}

}  // namespace ingot
