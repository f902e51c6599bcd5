#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "optim/bench.h"

namespace ingot::testing {
namespace {

std::unique_ptr<Average> make(const std::string& yaml, const ScheduleContext& context = {}) {
  const auto variant = read_average(yaml);
  return variant.entry().make(variant.settings(), context);
}

TEST(Ema, IsTheSumOverItsWeights) {
  // Of 1, 2, 3, ...: sum of (1 - d) d^(n - k) k, divided by 1 - d^n.
  const double d = 0.9;
  const auto average = make("{type: ema, decay: 0.9}");
  double running = 0, sum = 0, weight = 0;
  for (int n = 1; n <= 30; ++n) {
    running += average->share(n) * (n - running);
    sum = d * sum + (1 - d) * n;
    weight = d * weight + (1 - d);
    EXPECT_NEAR(running, sum / weight, 1e-12) << n;
  }
}

TEST(Ema, WithoutCorrectionTheFirstWeightsStandForAllBefore) {
  const auto average = make("{type: ema, decay: 0.9, correct_bias: false}");
  EXPECT_EQ(average->share(1), 1);
  EXPECT_DOUBLE_EQ(average->share(2), 0.1);
  EXPECT_DOUBLE_EQ(average->share(100), 0.1);
}

TEST(Ema, HalfLifeIsInUpdatesHoweverOftenWeightsEnter) {
  ScheduleContext context;
  context.tokens_per_step = 100;
  const auto average = make("{type: ema, half_life: 600 tokens, every: 3, correct_bias: false}", context);
  EXPECT_NEAR(average->share(2), 1 - std::sqrt(0.5), 1e-15);
}

TEST(Ema, RefusesADecayOfOne) { EXPECT_THROW(read_average("{type: ema, decay: 1}"), ConfigError); }

}  // namespace
}  // namespace ingot::testing
