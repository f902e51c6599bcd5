// Exponential average of the weights.
//
//   a_n = d·a_{n-1} + (1 - d)·w_n,  over its weights' sum 1 - d^n:   s_n = (1 - d)/(1 - d^n)
//   with `correct_bias: false` from the first weights on:            s_1 = 1, then s_n = 1 - d
//
// w_n: the n-th weights that enter, d = decay^every: a memory in updates does not depend on how often weights enter.
// `half_life` h, in updates, gives decay = 2^(-1/h). State a: 4 bytes for each fp32 parameter.
// Averaging on top of a decay of the rate: Ajroldi et al. 2025, arXiv:2502.06761. A blend of 0.6 with a time of 150
// updates over the last sixth of the run, embeddings left out, is in the shortest published runs of the
// modded-nanogpt optimizer track.

#include <cmath>
#include <optional>

#include "optim/average.h"
#include "optim/warmup.h"

namespace ingot::ema_average {
namespace {

struct EmaConfig {
  double decay = 0.999;
  std::optional<Duration> half_life;
  bool correct_bias = true;
  AverageScope scope;
};

void describe(Fields& f, EmaConfig& c) {
  f.field("decay", c.decay, "share of the average that an update keeps", Rule{}.above(0).below(1));
  f.field("half_life", c.half_life, "updates after which weights count half, in place of `decay`", Rule{}.above(0));
  f.field("correct_bias", c.correct_bias,
          "whether the average is over its weights' sum; else the first weights stand for all before them");
  describe(f, c.scope);
}

class Ema final : public Average {
 public:
  Ema(const EmaConfig& config, const ScheduleContext& context) : correct_bias_(config.correct_bias) {
    double decay = config.decay;
    if (config.half_life) {
      decay = std::exp2(-1 / static_cast<double>(std::max<std::int64_t>(1, steps_of(*config.half_life, context))));
    }
    decay_ = std::pow(decay, static_cast<double>(config.scope.every));
  }

  double share(std::int64_t n) const override {
    if (correct_bias_) return (1 - decay_) / (1 - std::pow(decay_, static_cast<double>(n)));
    return n == 1 ? 1 : 1 - decay_;
  }

 private:
  double decay_ = 0;
  bool correct_bias_;
};

}  // namespace
}  // namespace ingot::ema_average

namespace ingot {

void register_ema(Family<AverageEntry>& family) {
  using ema_average::EmaConfig;
  auto& entry = add_entry<EmaConfig, ema_average::Ema>(
      family, "ema", "Evaluates an exponential average of the weights.", "Ajroldi et al. 2025, arXiv:2502.06761");
  entry.scope = with_settings<EmaConfig>([](const EmaConfig& c) { return c.scope; });
  entry.samples = {"{decay: 0.9, correct_bias: false, every: 2}", "{half_life: 3 steps, start: 2 steps, blend: 0.6}"};
}

}  // namespace ingot
