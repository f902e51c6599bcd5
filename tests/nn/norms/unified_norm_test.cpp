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
  expect_split_invariance(keys, {"mean_square", "window"});
  expect_split_invariance(keys, {"mean_square", "window"}, 3);
}

/// A window of 1 is a step that the release skips: divided by the root mean square of its own rows, whose exact
/// gradient it has, however long it has run.
TEST(UnifiedNorm, AWindowOfOneSmoothsNothing) {
  RunningFixture f("{type: unified_norm, allow_leak: true, window: 1, warmup: 0}");
  f.updates = 2000;  // where others' gradients are compensated
  for (auto& [name, buffer] : f.buffers()) {
    if (name == "mean_square" || name == "gradient") buffer.fill_(0.3);
  }
  const at::Tensor x = random_normal({4, 3, kModel}, 5), dy = random_normal({4, 3, kModel}, 6);
  const ParamMap params = f.harness->params();
  const at::Tensor leaf = x.clone().requires_grad_(true);
  const at::Tensor expected =
      leaf / (leaf.square().flatten(0, 1).mean(0) + 1e-5).sqrt() * params.at("gain") + params.at("bias");
  (expected * dy).sum().backward();
  EXPECT_TRUE(close(f.train(x), expected.detach(), row_tolerance()));
  EXPECT_TRUE(close(f.micro_batch(x, dy), leaf.grad(), row_tolerance(8)));
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
