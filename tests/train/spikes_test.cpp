#include "train/spikes.h"

#include <gtest/gtest.h>

#include <cmath>

#include "train/micro_batches.h"
#include "train/stragglers.h"

namespace ingot {
namespace {

SpikeGuard calm_guard(const SpikeSettings& settings) {
  SpikeGuard guard(settings);
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
  SpikeGuard guard({8, 6, 2, 1});
  EXPECT_EQ(guard.judge(100, 1), StepVerdict::kApply);
  EXPECT_EQ(guard.judge(1e9, 1), StepVerdict::kApply);
  EXPECT_EQ(guard.judge(std::nan(""), 1), StepVerdict::kSkip);
  EXPECT_EQ(guard.judge(1, INFINITY), StepVerdict::kSkip);
}

TEST(Spikes, TheLadderIsSkipRewindStopAndStartsAfreshWhenCalm) {
  auto guard = calm_guard({8, 6, 2, 1});
  const SpikeGuard before = guard;
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
  SpikeGuard other({8, 6, 2, 1});
  other.restore(guard.state());
  EXPECT_EQ(other.limit(), guard.limit());
  for (const double loss : {2.1, 50.0, 50.0, 2.0, 50.0}) EXPECT_EQ(other.judge(loss, 1), guard.judge(loss, 1));
}

TEST(MicroBatches, CoverTheStepOnceAndDifferByOneAtMost) {
  for (const std::int64_t rows : {1, 5, 8, 17}) {
    for (const std::int64_t size : {1, 2, 3, 8}) {
      for (const int world : {1, 2, 3, 5}) {
        std::int64_t next = 0, fewest = rows, most = 0;
        for (int rank = 0; rank < world; ++rank) {
          const MicroBatches mine(rows, size, rank, world);
          for (std::int64_t i = 0; i < mine.count(); ++i) {
            EXPECT_EQ(mine.first_row(i), next);
            EXPECT_GE(mine.rows(i), 1);
            EXPECT_LE(mine.rows(i), size);
            next += mine.rows(i);
          }
          fewest = std::min(fewest, mine.count());
          most = std::max(most, mine.count());
        }
        EXPECT_EQ(next, rows);
        EXPECT_LE(most - fewest, 1);
      }
    }
  }
}

TEST(Stragglers, AreNamedWithWhatHoldsThem) {
  StragglerWatch watch({"a", "b", "c"});
  for (int i = 0; i < 10; ++i) watch.add({{1, 0}, {1.1, 0}, {1, 0.05}});
  EXPECT_EQ(watch.take_report(), "");
  for (int i = 0; i < 10; ++i) watch.add({{1, 0}, {1.5, 0}, {1, 3}});
  EXPECT_EQ(watch.take_report(),
            "slow over 10 steps: rank 2 (c) takes 2.67 times the median step, most of it waiting for data");
  for (int i = 0; i < 10; ++i) watch.add({{1, 0}, {1.5, 0}, {1, 0}});
  EXPECT_EQ(watch.take_report(),
            "slow over 10 steps: rank 1 (b) takes 1.50 times the median step, most of it computing");
}

}  // namespace
}  // namespace ingot
