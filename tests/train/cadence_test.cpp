#include "train/cadence.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace ingot {
namespace {

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
