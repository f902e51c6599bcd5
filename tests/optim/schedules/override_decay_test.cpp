#include <gtest/gtest.h>

#include "optim/bench.h"
#include "optim/schedule_golden.h"

namespace ingot::testing {
namespace {

TEST(OverrideDecaySchedule, MatchesGolden) { check_golden_schedules("override_decay"); }

TEST(OverrideDecaySchedule, KeepsWhatWasAndFallsToTheEnd) {
  const auto before = make_schedule("{type: cosine, warmup: 10%}", 100);
  const auto schedule = make_schedule(
      "{type: override_decay, before: {type: cosine, warmup: 10%}, planned: 100 steps, from: 30 steps}", 50);
  for (int t = 0; t <= 30; ++t) EXPECT_EQ(schedule->factor(t), before->factor(t)) << t;
  EXPECT_DOUBLE_EQ(schedule->factor(40), before->factor(30) / 2);
  EXPECT_NEAR(schedule->factor(49), before->factor(30) / 20, 1e-15);
}

TEST(OverrideDecaySchedule, NeverRises) {
  const auto schedule = make_schedule("{type: override_decay, before: linear, from: 36 steps, final_ratio: 0.5}", 40);
  EXPECT_EQ(schedule->factor(39), schedule->factor(36));
}

TEST(OverrideDecaySchedule, SaysWhatTheRunDoesNotReach) {
  const auto misfit = [](const std::string& keys) {
    return make_schedule("{type: override_decay, " + keys + "}", 40)->misfit(40);
  };
  EXPECT_EQ(misfit("from: 30 steps"), "");
  EXPECT_EQ(misfit("from: 40 steps"), "a decay from update 41 in a run of 40: it never begins");
  EXPECT_EQ(misfit("from: 30 steps, length: 20 steps"),
            "a decay of 20 updates from update 31 in a run of 40: it never reaches its end");
}

TEST(OverrideDecaySchedule, ChecksTheScheduleBefore) {
  const auto schedule = read_schedule("{type: override_decay, before: {type: wsd, shape: exponential}}");
  const auto problems = schedule.entry().validate(schedule.settings());
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].first, "before.shape");
}

}  // namespace
}  // namespace ingot::testing
