#include <gtest/gtest.h>

#include "optim/schedule_golden.h"

namespace ingot::testing {
namespace {

TEST(LinearSchedule, MatchesGolden) { check_golden_schedules("linear"); }

TEST(LinearSchedule, PercentOfTheRun) {
  const auto schedule = make_schedule("{type: linear, warmup: 25%}", 40);
  EXPECT_DOUBLE_EQ(schedule->factor(4), 0.5);
  EXPECT_DOUBLE_EQ(schedule->factor(10), 1);
  EXPECT_DOUBLE_EQ(schedule->factor(25), 0.5);
}

TEST(LinearSchedule, WarmupLongerThanTheRun) {
  const auto schedule = make_schedule("{type: linear, warmup: 10 steps}", 4);
  EXPECT_DOUBLE_EQ(schedule->factor(3), 0.4);
}

}  // namespace
}  // namespace ingot::testing
