#include <gtest/gtest.h>

#include <cmath>

#include "optim/schedule_golden.h"

namespace ingot::testing {
namespace {

TEST(PowerCoolSchedule, MatchesGolden) { check_golden_schedules("power_cool"); }

TEST(PowerCoolSchedule, IsAConstantTimesAPowerOfTheTimeThatIsLeft) {
  const auto schedule = make_schedule("{type: power_cool, decay: 80 steps}", 100);
  EXPECT_EQ(schedule->factor(20), 1);
  for (const int t : {21, 50, 99}) EXPECT_NEAR(schedule->factor(t), std::pow((100 - t) / 80.0, 1.2), 1e-14) << t;
}

}  // namespace
}  // namespace ingot::testing
