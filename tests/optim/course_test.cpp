#include "optim/course.h"

#include <gtest/gtest.h>

#include "optim/bench.h"

namespace ingot::testing {
namespace {

OptimConfig with_schedule(const std::string& yaml) {
  OptimConfig config;
  config.schedule = read_schedule(yaml);
  return config;
}

ScheduleContext run_of(std::int64_t steps) {
  ScheduleContext context;
  context.total_steps = steps;
  return context;
}

std::string warning(const std::string& yaml, std::int64_t steps) {
  const auto warnings = schedule_warnings(with_schedule(yaml), run_of(steps));
  return warnings.empty() ? "" : warnings.front().path + ": " + warnings.front().message;
}

TEST(Course, PhasesThatDoNotFitAreNamedForEverySchedule) {
  const std::string peak = "optim.schedule: a warm-up of 20 updates in a run of 10: the rate never reaches its peak";
  EXPECT_EQ(warning("{type: constant, warmup: 20 steps}", 10), peak);
  for (const std::string type : {"cosine", "linear", "wsd"}) {
    EXPECT_EQ(warning("{type: " + type + ", warmup: 20 steps}", 10), peak + ", nor its decay");
    EXPECT_EQ(warning("{type: " + type + ", warmup: 100%}", 10),
              "optim.schedule: a warm-up of 10 updates in a run of 10: the rate never reaches its decay");
    EXPECT_EQ(warning("{type: " + type + ", warmup: 2 steps}", 10), "");
  }
  EXPECT_EQ(warning("{type: constant, warmup: 10 steps}", 10), "");
  EXPECT_EQ(
      warning("{type: wsd, warmup: 8 steps, decay: 4 steps}", 10),
      "optim.schedule: a warm-up of 8 updates and a decay of 4 in a run of 10: the decay gets the 2 that are left");
  EXPECT_EQ(warning("{type: wsd, decay: 0 steps}", 10),
            "optim.schedule: a decay of 0 updates: the rate stays at its peak to the end");
}

TEST(Course, GroupsAreNamedToo) {
  auto config = with_schedule("constant");
  config.groups.resize(2);
  config.groups[1].schedule = read_schedule("{type: linear, warmup: 20 steps}");
  const auto warnings = schedule_warnings(config, run_of(10));
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0].path, "optim.groups.1.schedule");
}

TEST(Course, PiecesThatDoNotFitAreNamed) {
  EXPECT_EQ(warning("{type: stages, stages: [{length: 9 steps, to: 1}, {length: 2 steps, to: 0}]}", 10),
            "optim.schedule: piece 2 ends after 11 updates in a run of 10: it never reaches its end");
  EXPECT_EQ(warning("{type: override_decay, from: 12 steps}", 10),
            "optim.schedule: a decay from update 13 in a run of 10: it never begins");
}

TEST(Course, GroupsCoolDownOnTheirOwn) {
  const auto config = optim_config(
      "{optimizer: adamw, schedule: {type: wsd, decay: 80%, shape: linear}, groups: [{name: vectors, match: {role: "
      "gain}, schedule: {type: wsd, decay: 40%, shape: linear}}]}");
  const auto placed = schedules_of(config, run_of(10));
  ASSERT_EQ(placed.size(), 2u);
  EXPECT_DOUBLE_EQ(placed[0].schedule->factor(6), 0.5);
  EXPECT_DOUBLE_EQ(placed[1].schedule->factor(6), 1);
  EXPECT_DOUBLE_EQ(placed[1].schedule->factor(8), 0.5);
}

TEST(Course, AnotherScheduleMayKeepWhatWas) {
  const auto was = with_schedule("{type: cosine, warmup: 2 steps}");
  const auto is = with_schedule("{type: override_decay, before: {type: cosine, warmup: 2 steps}, from: 6 steps}");
  const auto run = run_of(10);
  EXPECT_FALSE(first_changed_rate({was, run}, {is, run}, 0, 7));
  const auto change = first_changed_rate({was, run}, {is, run}, 0, 10);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->position, 7);
}

TEST(Course, OtherNumbersThanTheRateCountToo) {
  const auto config =
      optim_config("{optimizer: sgd, schedules: {momentum: {schedule: {type: linear, warmup: 2 steps}}}}");
  const auto change = first_changed_rate({config, run_of(10)}, {config, run_of(20)}, 0, 10);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->path, "optim.schedules.momentum.schedule");
}

TEST(Course, ALongerRunChangesWhatDependsOnItsLength) {
  const auto change = [](const std::string& yaml, std::int64_t taken) {
    const auto config = with_schedule(yaml);
    return first_changed_rate({config, run_of(10)}, {config, run_of(20)}, 0, taken);
  };
  EXPECT_FALSE(change("{type: constant, warmup: 3 steps}", 10));
  EXPECT_FALSE(change("{type: wsd, warmup: 3 steps, decay: 4 steps}", 7));  // the first of the decay is at the peak
  const auto decayed = change("{type: wsd, warmup: 3 steps, decay: 4 steps, shape: linear}", 10);
  ASSERT_TRUE(decayed);
  EXPECT_EQ(decayed->position, 7);
  EXPECT_DOUBLE_EQ(decayed->before, 0.75);
  EXPECT_DOUBLE_EQ(decayed->after, 1);
  EXPECT_TRUE(change("{type: wsd, warmup: 30%, decay: 4 steps}", 1));
  const auto cosine = change("{type: cosine, warmup: 3 steps}", 10);
  ASSERT_TRUE(cosine);
  EXPECT_EQ(cosine->path, "optim.schedule");
  EXPECT_EQ(cosine->position, 4);
}

}  // namespace
}  // namespace ingot::testing
