#include <gtest/gtest.h>

#include "base/error.h"
#include "config/problems.h"
#include "optim/bench.h"
#include "optim/schedule_golden.h"

namespace ingot::testing {
namespace {

TEST(StagesSchedule, MatchesGolden) { check_golden_schedules("stages"); }

TEST(StagesSchedule, MayRiseAgainAndAboveThePeak) {
  const auto schedule = make_schedule(
      "{type: stages, stages: [{length: 4 steps, to: 0.5}, {length: 2 steps, to: 2}, {length: 2 steps, to: 0}]}", 10);
  const double expected[] = {0.875, 0.75, 0.625, 0.5, 1.25, 2, 2, 1, 0, 0};
  for (int t = 0; t < 10; ++t) EXPECT_DOUBLE_EQ(schedule->factor(t), expected[t]) << t;
}

TEST(StagesSchedule, SharesOfTheRunAreRoundedTogether) {
  const auto schedule = make_schedule(
      "{type: stages, stages: [{length: 33.3%, to: 0.6}, {length: 33.3%, to: 0.5}, {length: 33.4%, to: 0.4}]}", 10);
  EXPECT_EQ(schedule->misfit(10), "");
  EXPECT_DOUBLE_EQ(schedule->factor(9), 0.4);
}

TEST(StagesSchedule, SaysWhatTheRunDoesNotReach) {
  const auto schedule =
      make_schedule("{type: stages, stages: [{length: 4 steps, to: 1}, {length: 6 steps, to: 0.1}]}", 10);
  EXPECT_EQ(schedule->misfit(10), "");
  EXPECT_EQ(schedule->misfit(8), "piece 2 ends after 10 updates in a run of 8: it never reaches its end");
  EXPECT_EQ(schedule->misfit(4), "piece 2 begins after 4 updates in a run of 4: never");
}

TEST(StagesSchedule, RefusesAConstantFactorFromOrTo0) {
  const auto problems = [](const std::string& stages) {
    const auto schedule = read_schedule("{type: stages, start: 0, stages: " + stages + "}");
    return schedule.entry().validate(schedule.settings());
  };
  EXPECT_TRUE(problems("[{length: 1 steps, to: 1}, {length: 1 steps, to: 0.1, shape: exponential}]").empty());
  const auto from_zero = problems("[{length: 1 steps, to: 1, shape: exponential}]");
  ASSERT_EQ(from_zero.size(), 1u);
  EXPECT_EQ(from_zero[0].first, "stages.0.shape");
  EXPECT_EQ(problems("[{length: 1 steps, to: 1}, {length: 1 steps, to: 0, shape: exponential}]").size(), 1u);
  EXPECT_EQ(problems("[]").at(0).first, "stages");
}

}  // namespace
}  // namespace ingot::testing
