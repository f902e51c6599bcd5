#include <gtest/gtest.h>

#include <cmath>

#include "optim/schedule_golden.h"

namespace ingot::testing {
namespace {

TEST(InverseSqrtSchedule, FallsAsTheRootOfTime) {
  const auto schedule = make_schedule("{type: inverse_sqrt, warmup: 4 steps}", 100);
  EXPECT_DOUBLE_EQ(schedule->factor(0), 0.25);
  EXPECT_DOUBLE_EQ(schedule->factor(3), 1);
  EXPECT_DOUBLE_EQ(schedule->factor(15), 0.5);
  EXPECT_DOUBLE_EQ(schedule->factor(99), 0.2);
}

TEST(InverseSqrtSchedule, TheRunsLengthDoesNotMatter) {
  EXPECT_EQ(make_schedule("{type: inverse_sqrt, warmup: 4 steps}", 10)->factor(9),
            make_schedule("{type: inverse_sqrt, warmup: 4 steps}", 1000)->factor(9));
}

TEST(InverseSqrtSchedule, FallsTowardsTheFinalRatio) {
  const auto schedule = make_schedule("{type: inverse_sqrt, warmup: 1 steps, final_ratio: 0.5}", 100);
  EXPECT_DOUBLE_EQ(schedule->factor(0), 1);
  EXPECT_DOUBLE_EQ(schedule->factor(99), 0.5 + 0.5 * 0.1);
}

}  // namespace
}  // namespace ingot::testing
