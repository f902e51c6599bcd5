#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"

namespace ingot::testing {
namespace {

TEST(Adam, FollowsTorch) { check_golden_trajectories("adam", "adam"); }

TEST(Adam, TwoUpdatesByAnIndependentProgram) {
  const at::Tensor expected = at::tensor({.4307992, -.1930977, .6076632, -.3717290, -.0520369, .5310952}, at::kDouble);
  const at::Tensor w = after_shared_updates("{type: adam, betas: [0.9, 0.95], eps: 1e-8}", 0.1, 0.1);
  EXPECT_LT((w - expected).abs().max().item<double>(), 6e-8);  // expected has seven digits
}

TEST(Adam, RefusesBetas) {
  const auto one = read_optimizer("{type: adam, betas: [0.9]}");
  EXPECT_THROW(one.entry().make(one.settings()), ConfigError);
}

}  // namespace
}  // namespace ingot::testing
