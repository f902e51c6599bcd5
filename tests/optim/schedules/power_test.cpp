#include <gtest/gtest.h>

#include "optim/schedule_golden.h"

namespace ingot::testing {
namespace {

TEST(PowerSchedule, MatchesGolden) { check_golden_schedules("power"); }

TEST(PowerSchedule, UntilItsDecayTheRunsLengthDoesNotMatter) {
  const auto shorter = make_schedule("{type: power, warmup: 4 steps, decay: 10 steps}", 50);
  const auto longer = make_schedule("{type: power, warmup: 4 steps, decay: 10 steps}", 500);
  for (int t = 0; t < 40; ++t) EXPECT_EQ(shorter->factor(t), longer->factor(t)) << t;
}

TEST(PowerSchedule, WithTheRootAndNoDecayItIsInverseSqrt) {
  const auto power = make_schedule("{type: power, warmup: 4 steps, exponent: -0.5, decay: 0 steps}", 100);
  const auto root = make_schedule("{type: inverse_sqrt, warmup: 4 steps}", 100);
  for (int t = 0; t < 100; ++t) EXPECT_NEAR(power->factor(t), root->factor(t), 1e-15) << t;
}

/// A final ratio above what is reached is none: the rate never rises again.
TEST(PowerSchedule, DoesNotRiseToItsFinalRatio) {
  const auto schedule = make_schedule("{type: power, decay: 50%, final_ratio: 0.9}", 100);
  EXPECT_EQ(schedule->factor(99), schedule->factor(50));
  EXPECT_LT(schedule->factor(99), 0.2);
}

}  // namespace
}  // namespace ingot::testing
