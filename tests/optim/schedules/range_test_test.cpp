#include <gtest/gtest.h>

#include <cmath>

#include "optim/schedule_golden.h"

namespace ingot::testing {
namespace {

TEST(RangeTestSchedule, RisesByTheSameFactor) {
  const auto schedule = make_schedule("{type: range_test, from: 1e-4}", 5);
  for (std::int64_t t = 0; t < 5; ++t) EXPECT_NEAR(schedule->factor(t), std::pow(10.0, t - 4), 1e-15) << t;
}

TEST(RangeTestSchedule, OneUpdateHasTheWholeRate) { EXPECT_EQ(make_schedule("{type: range_test}", 1)->factor(0), 1); }

}  // namespace
}  // namespace ingot::testing
