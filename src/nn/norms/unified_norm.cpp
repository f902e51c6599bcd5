// Unified Normalization: y = gain · z + bias,  z = x / sqrt(v + eps)
//
//   x [..., d]; per channel, with b the mean of x² over this micro-batch's tokens, v [d] is b in warm-up and then the
//   geometric mean of b and its values in the window - 1 steps before. gain [d] starts at 1, bias [d] at 0. In
//   evaluation v is the running mean `run`, so that the norm folds into the next product.
//     forward   run <- momentum · run + (1 - momentum) · v
//     backward  g = gain · r · dy,  r = sqrt((v + eps) / (run + eps)) within 1/5 .. 5 (1 until step max(1000, warmup));
//               q = mean(g z), qbar = q in warm-up, then the mean over the window;
//               ema <- momentum · ema + (1 - momentum) · qbar;  dx = (g - ema z) / sqrt(v + eps), ema after its move;
//               dgain = sum(r z dy)
//   With a window of 1 nothing is smoothed: r = 1 and dx = (g - q z) / sqrt(v + eps), as in the steps that the release
//   skips. Everything in fp32, one rounding. `warmup` counts updates. The filter for outliers, off for text in the
//   paper, is not here.
//   Yang et al. 2022, "Unified Normalization for Accelerating and Stabilizing Transformers", arXiv:2208.01313; details
//   as in the authors' release.

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/rsqrt.h>

#include <algorithm>

#include "config/fields.h"
#include "nn/running_norm.h"

namespace ingot {
namespace unified_norm {

struct Config {
  norms::WarmupSettings running{4000};
  std::int64_t window = 4;
};

void describe(Fields& f, Config& c) {
  norms::describe_warmup(f, c.running, "true accepts that a token sees later ones in training",
                         "updates until the smoothing starts");
  f.field("window", c.window, "steps that the statistics are smoothed over; 1: those of the step alone, no smoothing",
          Rule{}.at_least(1).at_most(10'000));
}

/// The window one step on: the oldest row out, `newest` in.
at::Tensor pushed(const at::Tensor& window, const at::Tensor& newest) {
  return at::cat({window.narrow(0, 1, window.size(0) - 1), newest.unsqueeze(0)});
}

at::Tensor geometric_mean(const at::Tensor& window) { return window.log().mean(0).exp(); }

class UnifiedNorm final : public norms::RunningNorm {
 public:
  using Norm::forward;

  UnifiedNorm(const Config& config, const NormContext& context)
      : RunningNorm({"unified_norm", config.running.allow_leak}, context), config_(config) {
    const std::int64_t d = context.width, m = config.window;
    const auto push = [](const at::Tensor& window, const at::Tensor& newest, std::int64_t) {
      return pushed(window, newest);
    };
    // In this order: each sees what those before it have become.
    squares_ = norms::mean_buffer(context.scope, "window", {m, d}, 0, push);
    run_ = norms::mean_buffer(
        context.scope, "mean_square", {d}, 1, [this](const at::Tensor& run, const at::Tensor&, std::int64_t t) {
          return norms::moving(run, smoothed(squares_.value(), t, geometric_mean), config_.running.momentum);
        });
    products_ = norms::mean_buffer(context.scope, "gradient_window", {m, d}, 0, push);
    ema_ = norms::mean_buffer(
        context.scope, "gradient", {d}, 0, [this](const at::Tensor& ema, const at::Tensor&, std::int64_t t) {
          return norms::moving(ema, smoothed(products_.value(), t, window_mean), config_.running.momentum);
        });
  }

 private:
  bool smooths() const { return config_.window > 1; }
  static at::Tensor window_mean(const at::Tensor& window) { return window.mean(0); }

  /// Of a window whose last row is step t's: that row in warm-up, then `mean` of all rows.
  at::Tensor smoothed(const at::Tensor& window, std::int64_t t, at::Tensor (*mean)(const at::Tensor&)) const {
    return t > config_.window && t >= config_.running.warmup ? mean(window) : window.select(0, -1);
  }
  Moments measure(const at::Tensor& rows, std::int64_t updates, bool record) const override {
    const at::Tensor squares = rows.square();
    if (record) {
      norms::record_rows(squares_, squares);
      norms::record_rows(run_, squares);
    }
    const std::int64_t t = updates + 1;
    const at::Tensor v = smoothed(pushed(squares_.value(), squares.mean(0)), t, geometric_mean);
    const at::Tensor ratio = ((v + config_.running.eps) / (run_.value() + config_.running.eps)).sqrt().clamp(0.2, 5);
    const std::int64_t quiet = std::max<std::int64_t>(1000, config_.running.warmup);
    return {at::rsqrt(v + config_.running.eps), {}, smooths() && t > quiet ? ratio : at::ones_like(ratio)};
  }
  at::Tensor gradient(const at::Tensor& dz, const at::Tensor& z, const Moments& moments,
                      std::int64_t updates) const override {
    const at::Tensor g = dz * moments.other;
    const at::Tensor products = g * z;
    norms::record_rows(products_, products);
    norms::record_rows(ema_, products);
    const at::Tensor mean = smoothed(pushed(products_.value(), products.mean(0)), updates + 1, window_mean);
    const at::Tensor pull = smooths() ? norms::moving(ema_.value(), mean, config_.running.momentum) : mean;
    return (g - pull * z) * moments.scale;
  }
  at::Tensor gain_ratio(const Moments& moments) const override { return moments.other; }
  Moments frozen() const override { return {at::rsqrt(run_.value() + config_.running.eps), {}, {}}; }

  Config config_;
  Buffer squares_, run_, products_, ema_;
};

/// In evaluation, with the buffers' start values.
at::Tensor reference(const Config& config, const at::Tensor& x, const ParamMap& params) {
  return norms::with_affine(norms::wide(x) / std::sqrt(1 + config.running.eps), params).to(x.scalar_type());
}

}  // namespace unified_norm

void register_unified_norm(Family<NormEntry>& family) {
  using namespace unified_norm;
  auto& e = add_entry<Config, UnifiedNorm>(
      family, "unified_norm", "Divides by a root mean square over tokens that is smoothed over a window of steps.",
      "Yang et al. 2022, arXiv:2208.01313");
  e.neutral_gain = norms::neutral_at_one;
  e.flops_per_element = 5;
  e.leaks = true;
  e.samples = named_samples<Config>({{"default", {.running = {4000, true}}}});
}

}  // namespace ingot
