#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "optim/schedule_golden.h"

namespace ingot::testing {
namespace {

TEST(CosineSchedule, MatchesGolden) { check_golden_schedules("cosine"); }

TEST(CosineSchedule, AlignedAsNanogpt) {
  // nanoGPT's get_lr with warmup_iters 5, lr_decay_iters 40 and min_lr a tenth of the learning rate.
  const int warmup = 5, end = 40;
  const auto schedule = make_schedule("{type: cosine, warmup: 5 steps, final_ratio: 0.1, alignment: nanogpt}", end);
  for (int t = 0; t < end; ++t) {
    const double ratio = static_cast<double>(t - warmup) / (end - warmup);
    const double expected =
        t < warmup ? (t + 1) / (warmup + 1.0) : 0.1 + 0.9 * 0.5 * (1 + std::cos(std::numbers::pi * ratio));
    EXPECT_NEAR(schedule->factor(t), expected, 1e-14) << t;
  }
}

TEST(CosineSchedule, LastUpdateHasTheFinalRate) {
  EXPECT_DOUBLE_EQ(make_schedule("{type: cosine, final_ratio: 0.1}", 40)->factor(39), 0.1);
  EXPECT_GT(make_schedule("{type: cosine}", 40)->factor(39), 0);
}

}  // namespace
}  // namespace ingot::testing
