// Online Normalization: z = (x - mu) / sqrt(var + eps),  y = s / sqrt(mean s² + eps),  s = gain · z + bias
//
//   x [..., d]; mu and var [d] come from earlier steps. gain [d] starts at 1, bias [d] at 0; the last division (layer
//   scaling, over a token's channels) is an option. The paper takes one sample after another; here a step's tokens are
//   one sample, whose mean m and variance w over tokens move the statistics as those of a feature map do in the paper:
//     forward   var <- a var + (1 - a) w + a (1 - a) (m - mu)²;  mu <- a mu + (1 - a) m            a = forward_decay
//     backward  g' = g - (1 - b) v z;  v <- v + mean(g' z)                                         b = backward_decay
//               dx = g' / sqrt(var + eps) - (1 - b) u;  u <- u + mean(dx)
//   So no token sees a later one of its own step; the norm still pools statistics over tokens and is marked like those
//   that do leak. Everything in fp32, one rounding.
//   Chiley et al. 2019, "Online Normalization for Training Neural Networks", arXiv:1905.05894.

#include <ATen/TensorOperators.h>
#include <ATen/ops/rsqrt.h>

#include "config/fields.h"
#include "nn/running_norm.h"
#include "ops/rms_norm/rms_norm.h"

namespace ingot {
namespace online_norm {

struct Config {
  bool allow_leak = false;
  double forward_decay = 0.999;
  double backward_decay = 0.99;
  bool layer_scaling = true;
  double eps = 1e-5;
};

void describe(Fields& f, Config& c) {
  f.field("allow_leak", c.allow_leak, "true accepts that statistics are pooled over tokens");
  f.field("forward_decay", c.forward_decay, "share of mean and variance that each step keeps",
          Rule{}.at_least(0).below(1));
  f.field("backward_decay", c.backward_decay, "the correction of gradients has the strength 1 - backward_decay",
          Rule{}.at_least(0).below(1));
  f.field("layer_scaling", c.layer_scaling, "whether each token is divided by its root mean square at the end");
  f.field("eps", c.eps, "added to variance and mean square before their roots", Rule{}.above(0));
}

class OnlineNorm final : public norms::RunningNorm {
 public:
  using Norm::forward;

  OnlineNorm(const Config& config, const NormContext& context)
      : RunningNorm({"online_norm", config.allow_leak}, context), config_(config) {
    const double a = config.forward_decay;
    const auto adds = [](const at::Tensor& value, const at::Tensor& mean, std::int64_t) { return value + mean; };
    // The means are of x - mu and of its square, mu being the step's start value.
    mean_ = norms::mean_buffer(
        context.scope, "mean", {context.width}, 0,
        [a](const at::Tensor& mu, const at::Tensor& offset, std::int64_t) { return mu + (1 - a) * offset; });
    variance_ = norms::mean_buffer(
        context.scope, "variance", {context.width}, 1,
        [a, mean = mean_](const at::Tensor& variance, const at::Tensor& square, std::int64_t) {
          const at::Tensor& sums = mean.accumulator();
          const std::int64_t d = variance.size(0);
          const at::Tensor offset_square = (sums.narrow(0, 0, d) / sums.narrow(0, d, 1).clamp_min(1)).square();
          return a * variance + (1 - a) * (square - offset_square) + a * (1 - a) * offset_square;
        });
    v_ = norms::mean_buffer(context.scope, "gradient_product", {context.width}, 0, adds);
    u_ = norms::mean_buffer(context.scope, "gradient", {context.width}, 0, adds);
  }

  at::Tensor forward(const at::Tensor& x, const NormInput& input) const override {
    if (!config_.layer_scaling) return RunningNorm::forward(x, input);
    NormInput inner = input;
    inner.out_type = norms::wide(x).scalar_type();
    const at::ScalarType type = input.out_type.value_or(x.scalar_type());
    return ops::rms_norm(RunningNorm::forward(x, inner), {}, config_.eps, type).to(type);
  }

 private:
  Moments measure(const at::Tensor& rows, std::int64_t /*updates*/, bool record) const override {
    if (record) {
      const at::Tensor offset = rows - mean_.value();
      norms::record_rows(mean_, offset);
      norms::record_rows(variance_, offset.square());
    }
    return frozen();
  }
  at::Tensor gradient(const at::Tensor& g, const at::Tensor& z, const Moments& moments,
                      std::int64_t /*updates*/) const override {
    const double strength = 1 - config_.backward_decay;
    const at::Tensor corrected = g - strength * v_.value() * z;
    norms::record_rows(v_, corrected * z);
    const at::Tensor dx = corrected * moments.scale - strength * u_.value();
    norms::record_rows(u_, dx);
    return dx;
  }
  Moments frozen() const override { return {at::rsqrt(variance_.value() + config_.eps), mean_.value(), {}}; }

  Config config_;
  Buffer mean_, variance_, v_, u_;
};

/// In evaluation, with the buffers' start values.
at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params) {
  const at::Tensor s = norms::with_affine(norms::wide(x) / std::sqrt(1 + config.eps), params);
  return (config.layer_scaling ? s / (s.square().mean(-1, true) + config.eps).sqrt() : s).to(x.scalar_type());
}

}  // namespace online_norm

void register_online_norm(Family<NormEntry>& family) {
  using namespace online_norm;
  auto& e =
      add_entry<Config, OnlineNorm>(family, "online_norm", "Standardises channels with statistics of earlier steps.",
                                    "Chiley et al. 2019, arXiv:1905.05894");
  e.flops_per_element = 9;
  e.leaks = true;
  e.samples = named_samples<Config>(
      {{"default", {.allow_leak = true}}, {"plain", {.allow_leak = true, .layer_scaling = false}}});
}

}  // namespace ingot
