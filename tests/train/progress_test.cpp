#include "train/progress.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/temp_dir.h"
#include "train/cadence.h"

namespace ingot {
namespace {

using testing::has;

TEST(Progress, FitsTheTerminalAndSaysWhatMatters) {
  const ProgressNumbers numbers{120, 400, 4.2134, 5321.4, 0.123, 80};
  const auto wide = progress_text(numbers, 100);
  EXPECT_TRUE(has(wide, "120/400", "loss 4.213", "5,321 tok/s", "mfu 12 %", "left", "#########....."));
  EXPECT_LE(wide.size(), 100u);
  EXPECT_LE(progress_text(numbers, 20).size(), 20u);
  EXPECT_TRUE(
      has(progress_text(DataProgress{"tokenising", 1 << 20, 4 << 20, 1 << 19, 6}), "tokenising", "1.0 MiB", "4.0 MiB"));
}

TEST(Cadence, IsDueAtMultiplesOfItsSteps) {
  DurationContext context;
  context.tokens_per_step = 100;
  context.total_steps = 50;
  CadenceTimer by_tokens(Cadence{Duration{950, Duration::Unit::kTokens}}, context);
  EXPECT_EQ(by_tokens.steps(), 10);
  EXPECT_TRUE(by_tokens.due(20));
  EXPECT_FALSE(by_tokens.due(21));
  CadenceTimer by_share(Cadence{Duration{10, Duration::Unit::kPercent}}, context);
  EXPECT_EQ(by_share.steps(), 5);
  CadenceTimer never(std::nullopt, context);
  EXPECT_FALSE(never.due(1));
  CadenceTimer hourly(Cadence{Seconds{3600}}, context);
  EXPECT_FALSE(hourly.due(1));
  EXPECT_THROW(CadenceTimer(Cadence{Duration{1, Duration::Unit::kEpochs}}, context), ConfigError);
}

}  // namespace
}  // namespace ingot
