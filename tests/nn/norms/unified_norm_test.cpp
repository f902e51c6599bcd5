#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "nn/norms/running_fixture.h"

namespace ingot::testing {
namespace {

TEST(UnifiedNorm, FollowsThePublishedRecursion) {
  expect_running_golden("{type: unified_norm, allow_leak: true, window: 3, warmup: 1003}", "unified_norm");
}

TEST(UnifiedNorm, KeepsTheContractOfBuffers) { expect_running_contract("{type: unified_norm, allow_leak: true}"); }

TEST(UnifiedNorm, Leaks) {
  EXPECT_TRUE(leaks_in_training(RunningFixture("{type: unified_norm, allow_leak: true}")));
  EXPECT_TRUE(leaks_in_training(RunningFixture("{type: unified_norm, allow_leak: true, warmup: 0}")));
}

TEST(UnifiedNorm, ForwardStatisticsMoveAlikeForAnySplit) {
  const std::string keys = "{type: unified_norm, allow_leak: true, window: 2, warmup: 0}";
  expect_split_invariance(keys, {"mean_square", "window", "steps"});
  expect_split_invariance(keys, {"mean_square", "window", "steps"}, 3);
}

TEST(UnifiedNorm, IsRefusedWithoutLeave) {
  EXPECT_THROW(RunningFixture("unified_norm"), ConfigError);
  EXPECT_TRUE(nn_families().get<NormEntry>().at("unified_norm").leaks);
}

TEST(UnifiedNorm, IsLinearInEvaluation) {
  const RunningFixture f("{type: unified_norm, allow_leak: true}");
  const at::Tensor a = normal_rows(1), b = normal_rows(2);
  EXPECT_TRUE(close(f(a) + f(b), f(a + b) + f(at::zeros_like(a)), row_tolerance()));
}

}  // namespace
}  // namespace ingot::testing
