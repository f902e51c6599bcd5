#include <gtest/gtest.h>

#include "optim/bench.h"

namespace ingot::testing {
namespace {

TEST(Tail, IsTheMean) {
  const auto variant = read_average("tail");
  const auto average = variant.entry().make(variant.settings(), {});
  double running = 0;
  for (int n = 1; n <= 20; ++n) {
    running += average->share(n) * (n * n - running);
    EXPECT_NEAR(running, (n + 1) * (2 * n + 1) / 6.0, 1e-12) << n;
  }
}

TEST(Tail, BeginsWithTheLastTenthOfTheRun) {
  const auto variant = read_average("tail");
  const auto start = variant.entry().scope(variant.settings()).start;
  DurationContext run;
  run.total_steps = 200;
  EXPECT_EQ(start.steps(run), 180);
}

}  // namespace
}  // namespace ingot::testing
