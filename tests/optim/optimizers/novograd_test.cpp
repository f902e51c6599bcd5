#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Novograd, FollowsTheAuthorsCode) { check_golden_trajectories("novograd", "novograd"); }

TEST(Novograd, TwoUpdatesByAnIndependentProgram) {
  const at::Tensor expected = at::tensor({.5009784, -.2979367, .7925752, -.2086455, .0908069, .4100330}, at::kDouble);
  const at::Tensor w = after_shared_updates("{type: novograd, betas: [0.95, 0.98]}", 0.01, 0.01);
  EXPECT_LT((w - expected).abs().max().item<double>(), 6e-8);  // expected has seven digits
}

TEST(Novograd, MovesATensorByTheRateAtFirst) {
  OptimizerBench bench(read_optimizer("novograd"), {{"w", {5, 7}}, {"v", {3}}}, {});
  bench.randomise_grads(1);
  bench.step(1, 0.25);
  for (const char* name : {"w", "v"}) EXPECT_NEAR(bench.value(name).norm().item<double>(), 0.25, 1e-7);
}

TEST(Novograd, StartsOverAfterAZeroGradient) {
  OptimizerBench bench(read_optimizer("novograd"), {{"w", {2}}}, {});
  bench.step(1, 1);
  bench.grad("w").fill_(3);
  bench.step(2, 1);
  EXPECT_NEAR(bench.value("w")[0].item<double>(), -1 / std::sqrt(2), 1e-8);
}

TEST(Novograd, RefusesBetas) {
  const auto one = read_optimizer("{type: novograd, betas: [0.9]}");
  EXPECT_THROW(one.entry().make(one.settings()), ConfigError);
}

}  // namespace
}  // namespace ingot::testing
