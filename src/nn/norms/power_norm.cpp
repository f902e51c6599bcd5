// PowerNorm: y = gain · z + bias,  z = u / sqrt(s + eps),  u = x / sqrt(mean over each group of channels of x² + eps)
//
//   x [..., d]; s [d] is the mean over tokens of u² in warm-up, then phi, its running mean from earlier steps. gain [d]
//   starts at 1, bias [d] at 0. Without `groups` (0) u = x, the paper's PN-V. With b the mean of u² over this
//   micro-batch's tokens:
//     forward   phi <- phi (t-1)/t + b/t in warm-up, then always phi <- momentum · phi + (1 - momentum) · b
//     backward  g' = g - (1 - momentum) nu z;  nu <- nu + mean(g' z);  du = g' / sqrt(b + eps)
//   (divide_by: running takes s for b there: the paper's text against the authors' code.) Everything in fp32, one
//   rounding. Leaks in warm-up only. `warmup` counts updates.
//   Shen et al. 2020, "PowerNorm: Rethinking Batch Normalization in Transformers", arXiv:2003.07845, algorithm 2;
//   details as in the authors' release.

#include <ATen/TensorOperators.h>
#include <ATen/ops/rsqrt.h>

#include "base/error.h"
#include "base/text.h"
#include "config/fields.h"
#include "config/limits.h"
#include "nn/running_norm.h"
#include "ops/rms_norm/rms_norm.h"

namespace ingot {
namespace power_norm {

enum class DivideBy { kBatch, kRunning };

struct Config {
  norms::WarmupSettings running{10000};
  std::int64_t groups = 1;
  DivideBy divide_by = DivideBy::kBatch;
};

void describe(Fields& f, Config& c) {
  norms::describe_warmup(f, c.running, "true accepts that a token sees later ones during the warm-up",
                         "updates until the running statistic takes over");
  f.field("groups", c.groups,
          "equal parts of the channels, each scaled by its own root mean square first; 0: no scaling",
          Rule{}.at_least(0).at_most(limits::kWidth));
  f.choice("divide_by", c.divide_by, {{"batch", DivideBy::kBatch}, {"running", DivideBy::kRunning}},
           "the statistic that gradients are divided by");
}

at::Tensor group_scaled(const Config& config, const at::Tensor& x) {
  if (config.groups == 0) return x;
  return ops::rms_norm(norms::wide(x).unflatten(-1, {config.groups, -1}), {}, config.running.eps).flatten(-2);
}

class PowerNorm final : public norms::RunningNorm {
 public:
  using Norm::forward;

  PowerNorm(const Config& config, const NormContext& context)
      : RunningNorm({"power_norm", config.running.allow_leak}, context), config_(config) {
    if (config.groups > 0 && context.width % config.groups != 0) {
      throw ConfigError(cat("power_norm: ", config.groups, " groups do not divide the width ", context.width));
    }
    const auto move = [config = config.running](const at::Tensor& phi, const at::Tensor& b, std::int64_t number) {
      const auto t = static_cast<double>(number);
      return norms::moving(number < config.warmup ? phi * (t - 1) / t + b / t : phi, b, config.momentum);
    };
    phi_ = norms::mean_buffer(context.scope, "mean_square", {context.width}, 1, move);
    nu_ = norms::mean_buffer(context.scope, "gradient", {context.width}, 0,
                             [](const at::Tensor& nu, const at::Tensor& mean, std::int64_t) { return nu + mean; });
  }

  at::Tensor forward(const at::Tensor& x, const NormInput& input) const override {
    NormInput typed = input;
    typed.out_type = input.out_type.value_or(x.scalar_type());
    return RunningNorm::forward(group_scaled(config_, x), typed);
  }

 private:
  Moments measure(const at::Tensor& rows, std::int64_t updates, bool record) const override {
    const at::Tensor squares = rows.square();
    if (record) norms::record_rows(phi_, squares);
    const at::Tensor b = squares.mean(0);
    const at::Tensor scale = root(updates < config_.running.warmup ? b : phi_.value());
    return {scale, {}, config_.divide_by == DivideBy::kBatch ? root(b) : scale};
  }
  at::Tensor gradient(const at::Tensor& g, const at::Tensor& z, const Moments& moments,
                      std::int64_t /*updates*/) const override {
    const at::Tensor corrected = g - (1 - config_.running.momentum) * nu_.value() * z;
    norms::record_rows(nu_, corrected * z);
    return corrected * moments.other;
  }
  Moments frozen() const override { return {root(phi_.value()), {}, {}}; }
  at::Tensor root(const at::Tensor& mean_square) const { return at::rsqrt(mean_square + config_.running.eps); }

  Config config_;
  Buffer phi_, nu_;
};

/// In evaluation, with the buffers' start values.
at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params) {
  at::Tensor u = norms::wide(x);
  if (config.groups > 0) {
    const at::Tensor parts = u.unflatten(-1, {config.groups, -1});
    u = (parts / (parts.square().mean(-1, true) + config.running.eps).sqrt()).flatten(-2);
  }
  return norms::with_affine(u / std::sqrt(1 + config.running.eps), params).to(x.scalar_type());
}

}  // namespace power_norm

void register_power_norm(Family<NormEntry>& family) {
  using namespace power_norm;
  auto& e = add_entry<Config, PowerNorm>(family, "power_norm",
                                         "Divides by a running root mean square over tokens, per channel.",
                                         "Shen et al. 2020, arXiv:2003.07845");
  e.neutral_gain = norms::neutral_at_one;
  e.flops_per_element = 8;
  e.leaks = true;
  e.samples = named_samples<Config>({{"default", {.running = {10000, true}}},
                                     {"groups", {.running = {10000, true}, .groups = 4}},
                                     {"plain", {.running = {10000, true}, .groups = 0}}});
}

}  // namespace ingot
