// Lp norm: y = gain · c / (k (mean |c|^p)^(1/p) + eps) + bias,  c = x or, centred, x - mean x
//
//   x [..., d]; gain [d] starting at 1, bias [d] at 0 (`bias: true`). Statistics in fp32, one rounding. p = 2 is
//   RMSNorm with eps outside the root, centred it is LayerNorm. k = 1, or with match_std what makes the divisor the
//   standard deviation of normal numbers: (E|z|^p)^(-1/p), sqrt(pi/2) for p = 1.
//   Hoffer et al. 2018, "Norm matters", arXiv:1803.01814, whose L1 norm (p = 1, centred, match_std) the defaults are.

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include "config/fields.h"
#include "nn/norm_parts.h"

namespace ingot {
namespace lp_norm {

struct Config {
  double p = 1;
  bool centre = true;
  bool match_std = true;
  bool bias = false;
  double eps = 1e-6;
};

void describe(Fields& f, Config& c) {
  f.field("p", c.p, "the power that is averaged", Rule{}.at_least(1));
  f.field("centre", c.centre, "whether the mean is subtracted first");
  f.field("match_std", c.match_std, "whether the divisor is scaled to the standard deviation of normal numbers");
  f.field("bias", c.bias, "whether a learned bias is added");
  f.field("eps", c.eps, "added to the root of the mean power", Rule{}.above(0));
}

/// (E|z|^p)^(-1/p) of a standard normal z.
double normal_scale(double p) {
  const double moment = std::pow(2.0, p / 2) * std::tgamma((p + 1) / 2) / std::sqrt(std::acos(-1.0));
  return std::pow(moment, -1 / p);
}

class LpNorm final : public norms::ClosedFormNorm {
 public:
  LpNorm(const Config& config, const NormContext& context)
      : config_(config), scale_(config.match_std ? normal_scale(config.p) : 1.0) {
    declare_gain(context);
    if (config.bias) declare_bias(context);
  }

 private:
  at::Tensor centred(const at::Tensor& x) const { return config_.centre ? x - norms::row_mean(x) : x; }
  at::Tensor root(const at::Tensor& c) const { return norms::row_mean(c.abs().pow(config_.p)).pow(1 / config_.p); }
  at::Tensor normalise(const at::Tensor& x, const norms::Tensors& /*inner*/) const override {
    const at::Tensor c = centred(x);
    return c / (scale_ * root(c) + config_.eps);
  }
  // With s = k r + eps and dr/dc = (|c| / r)^(p-1) sign(c) / d, which is taken for 0 at r = 0.
  norms::Tensors gradients(const at::Tensor& g, const at::Tensor& x, const at::Tensor& /*n*/,
                           const norms::Tensors& /*inner*/) const override {
    const at::Tensor c = centred(x), r = root(c);
    const at::Tensor s = scale_ * r + config_.eps;
    const at::Tensor slope = (c.abs() / r).pow(config_.p - 1) * c.sign();
    const at::Tensor dc =
        g / s - norms::row_mean(g * c) * scale_ / s.square() * at::where(r > 0, slope, at::zeros_like(c));
    return {config_.centre ? dc - norms::row_mean(dc) : dc};
  }

  Config config_;
  double scale_;
};

at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params) {
  const at::Tensor w = norms::wide(x);
  const at::Tensor c = config.centre ? w - w.mean(-1, true) : w;
  const double per_channel = std::pow(static_cast<double>(x.size(-1)), -1 / config.p);
  const double scale = config.match_std ? normal_scale(config.p) : 1.0;
  const at::Tensor divisor = scale * per_channel * at::linalg_vector_norm(c, config.p, -1, true) + config.eps;
  return norms::with_affine(c / divisor, params).to(x.scalar_type());
}

}  // namespace lp_norm

void register_lp_norm(Family<NormEntry>& family) {
  using namespace lp_norm;
  auto& e = add_entry<Config, LpNorm>(family, "lp_norm", "Divides by the p-th root of the mean p-th power.",
                                      "Hoffer et al. 2018, arXiv:1803.01814");
  e.neutral_gain = norms::neutral_at_one;
  e.flops_per_element = 6;
  e.samples =
      named_samples<Config>({{"default", {}}, {"bias", {.bias = true}}, {"plain_p3", {3, false, false, false, 1e-2}}});
}

}  // namespace ingot
