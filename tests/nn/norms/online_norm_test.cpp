#include <gtest/gtest.h>

#include "base/error.h"
#include "nn/norms/running_fixture.h"

namespace ingot::testing {
namespace {

TEST(OnlineNorm, FollowsThePublishedRecursion) {
  expect_running_golden("{type: online_norm, allow_leak: true, forward_decay: 0.9, backward_decay: 0.8}",
                        "online_norm");
}

TEST(OnlineNorm, KeepsTheContractOfBuffers) { expect_running_contract("{type: online_norm, allow_leak: true}"); }

TEST(OnlineNorm, StatisticsOfAStepsStartDoNotLeak) {
  EXPECT_FALSE(leaks_in_training(RunningFixture("{type: online_norm, allow_leak: true}")));
}

TEST(OnlineNorm, MovesAlikeForAnySplit) {
  expect_split_invariance("{type: online_norm, allow_leak: true}", {"mean", "variance", "gradient_product", "gradient"},
                          2);
}

TEST(OnlineNorm, FindsMeanAndVariance) {
  RunningFixture f("{type: online_norm, allow_leak: true, forward_decay: 0.5}");
  const at::Tensor x = 3 + 2 * random_normal({64, 8, kModel}, 9);
  for (int i = 0; i < 60; ++i) f.train(x), f.apply();
  EXPECT_TRUE(close(f.buffers().at("mean"), x.mean(at::IntArrayRef{0, 1}), row_tolerance()));
  const at::Tensor centred = x - x.mean(at::IntArrayRef{0, 1});
  EXPECT_TRUE(close(f.buffers().at("variance"), centred.square().mean(at::IntArrayRef{0, 1}), row_tolerance()));
}

TEST(OnlineNorm, IsRefusedWithoutLeave) { EXPECT_THROW(RunningFixture("online_norm"), ConfigError); }

}  // namespace
}  // namespace ingot::testing
