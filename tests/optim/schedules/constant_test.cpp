#include <gtest/gtest.h>

#include "optim/schedule_golden.h"

namespace ingot::testing {
namespace {

TEST(ConstantSchedule, MatchesGolden) { check_golden_schedules("constant"); }

TEST(ConstantSchedule, WarmupLongerThanTheRun) {
  const auto schedule = make_schedule("{type: constant, warmup: 10 steps}", 4);
  EXPECT_DOUBLE_EQ(schedule->factor(0), 0.1);
  EXPECT_DOUBLE_EQ(schedule->factor(3), 0.4);
}

}  // namespace
}  // namespace ingot::testing
