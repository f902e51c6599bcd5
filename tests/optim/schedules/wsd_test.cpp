#include <gtest/gtest.h>

#include "optim/bench.h"
#include "optim/schedule_golden.h"

namespace ingot::testing {
namespace {

TEST(WsdSchedule, MatchesGolden) { check_golden_schedules("wsd"); }

TEST(WsdSchedule, DecaysOverTheLastFifth) {
  const auto schedule = make_schedule("wsd", 100);
  EXPECT_DOUBLE_EQ(schedule->factor(79), 1);
  EXPECT_DOUBLE_EQ(schedule->factor(80), 1);
  EXPECT_DOUBLE_EQ(schedule->factor(85), 0.5);  // 1 - sqrt(1/4)
}

TEST(WsdSchedule, StablePartDoesNotDependOnTheEnd) {
  const auto shorter = make_schedule("{type: wsd, warmup: 5 steps, decay: 10 steps}", 50);
  const auto longer = make_schedule("{type: wsd, warmup: 5 steps, decay: 10 steps}", 500);
  for (int t = 0; t < 40; ++t) EXPECT_DOUBLE_EQ(shorter->factor(t), longer->factor(t)) << t;
}

TEST(WsdSchedule, TheDecayTakesWhatTheWarmupLeaves) {
  const auto schedule = make_schedule("{type: wsd, warmup: 8 steps, decay: 4 steps, shape: linear}", 10);
  EXPECT_DOUBLE_EQ(schedule->factor(7), 1);
  EXPECT_DOUBLE_EQ(schedule->factor(8), 1);
  EXPECT_DOUBLE_EQ(schedule->factor(9), 0.5);
  EXPECT_DOUBLE_EQ(make_schedule("{type: wsd, warmup: 20 steps}", 10)->factor(9), 0.5);
}

TEST(WsdSchedule, AConstantFactorNeedsAnEndAbove0) {
  const auto problems = [](const std::string& yaml) {
    const auto schedule = read_schedule(yaml);
    return schedule.entry().validate(schedule.settings());
  };
  EXPECT_TRUE(problems("{type: wsd, shape: exponential, final_ratio: 0.1}").empty());
  const auto found = problems("{type: wsd, shape: exponential}");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].first, "shape");
  EXPECT_NE(found[0].second.find("expected a final_ratio above 0"), std::string::npos) << found[0].second;
}

}  // namespace
}  // namespace ingot::testing
