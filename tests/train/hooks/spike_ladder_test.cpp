#include "train/hooks/spike_ladder.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ingot {
namespace {

SpikeLadder calm_guard(const SpikeSettings& settings) {
  SpikeLadder guard(settings);
  for (std::int64_t i = 0; i < settings.window; ++i) {
    EXPECT_EQ(guard.judge(2 + 0.1 * (i % 2), 1), StepVerdict::kApply);
  }
  return guard;
}

TEST(Spikes, AreMeasuredByTheLastLosses) {
  auto guard = calm_guard({8, 6, 2, 1});
  EXPECT_NEAR(guard.limit(), 2.05 + 6 * 0.05, 1e-12);
  EXPECT_EQ(guard.judge(2.34, 1), StepVerdict::kApply);
  EXPECT_EQ(guard.judge(9, 1), StepVerdict::kSkip);
}

TEST(Spikes, NothingIsASpikeBeforeTheWindowIsFullButNoNumberIs) {
  SpikeLadder guard({8, 6, 2, 1});
  EXPECT_EQ(guard.judge(100, 1), StepVerdict::kApply);
  EXPECT_EQ(guard.judge(1e9, 1), StepVerdict::kApply);
  EXPECT_EQ(guard.judge(std::nan(""), 1), StepVerdict::kSkip);
  EXPECT_EQ(guard.judge(1, INFINITY), StepVerdict::kSkip);
}

TEST(Spikes, TheLadderIsSkipRewindStopAndStartsAfreshWhenCalm) {
  auto guard = calm_guard({8, 6, 2, 1});
  const SpikeLadder before = guard;
  for (const auto verdict : {StepVerdict::kSkip, StepVerdict::kSkip, StepVerdict::kRewind, StepVerdict::kStop}) {
    EXPECT_EQ(guard.judge(50, 1), verdict);
  }
  guard = before;
  EXPECT_EQ(guard.judge(50, 1), StepVerdict::kSkip);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(guard.judge(2.05, 1), StepVerdict::kApply);
  EXPECT_EQ(guard.judge(50, 1), StepVerdict::kSkip);
  EXPECT_EQ(guard.judge(50, 1), StepVerdict::kSkip);
}

TEST(Spikes, AResumedGuardGoesOnAlike) {
  auto guard = calm_guard({8, 6, 2, 1});
  guard.judge(50, 1);
  SpikeLadder other({8, 6, 2, 1});
  other.restore(guard.state(), Hook::Restored::kResumed);
  EXPECT_EQ(other.limit(), guard.limit());
  for (const double loss : {2.1, 50.0, 50.0, 2.0, 50.0}) EXPECT_EQ(other.judge(loss, 1), guard.judge(loss, 1));
}

TEST(Spikes, ARunThatGoesBackKeepsItsTroubles) {
  auto guard = calm_guard({8, 6, 1, 1});
  const auto saved = guard.state();
  EXPECT_EQ(guard.judge(50, 1), StepVerdict::kSkip);
  EXPECT_EQ(guard.judge(50, 1), StepVerdict::kRewind);
  guard.restore(saved, Hook::Restored::kRewound);
  EXPECT_EQ(guard.judge(50, 1), StepVerdict::kStop);
}

}  // namespace
}  // namespace ingot
