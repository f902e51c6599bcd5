#include <gtest/gtest.h>

#include "base/error.h"
#include "nn/norms/running_fixture.h"

namespace ingot::testing {
namespace {

TEST(PowerNorm, FollowsThePublishedRecursion) {
  expect_running_golden("{type: power_norm, allow_leak: true, groups: 2, warmup: 3}", "power_norm");
}

TEST(PowerNorm, KeepsTheContractOfBuffers) { expect_running_contract("{type: power_norm, allow_leak: true}"); }

TEST(PowerNorm, LeaksInWarmupOnly) {
  EXPECT_TRUE(leaks_in_training(RunningFixture("{type: power_norm, allow_leak: true}")));
  EXPECT_FALSE(leaks_in_training(RunningFixture("{type: power_norm, allow_leak: true, warmup: 0}")));
}

TEST(PowerNorm, MovesAlikeForAnySplit) {
  expect_split_invariance("{type: power_norm, allow_leak: true}", {"mean_square"});
  expect_split_invariance("{type: power_norm, allow_leak: true, warmup: 0}", {"mean_square", "gradient"}, 2);
}

TEST(PowerNorm, TheRunningDivisorIsAnotherGradientAfterWarmup) {
  const std::string keys = "{type: power_norm, allow_leak: true, warmup: 0";
  const at::Tensor x = 5 * normal_rows(), dy = normal_rows(2);
  const at::Tensor batch = RunningFixture(keys + ", groups: 0}").micro_batch(x, dy);
  const at::Tensor running = RunningFixture(keys + ", groups: 0, divide_by: running}").micro_batch(x, dy);
  // At the start phi is 1: the ratio of the two is the root mean square over tokens.
  const at::Tensor ratio = (x.square().mean(at::IntArrayRef{0, 1}) + 1e-5).sqrt() / std::sqrt(1 + 1e-5);
  EXPECT_TRUE(close(running, batch * ratio, row_tolerance()));
}

TEST(PowerNorm, IsRefused) {
  EXPECT_THROW(RunningFixture("power_norm"), ConfigError);
  EXPECT_THROW(RunningFixture("{type: power_norm, allow_leak: true, groups: 5}"), ConfigError);
}

}  // namespace
}  // namespace ingot::testing
