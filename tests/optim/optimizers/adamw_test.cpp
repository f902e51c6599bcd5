#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Adamw, FollowsTorch) { check_golden_trajectories("adamw", "adamw"); }

TEST(Adamw, FirstStepInClosedForm) {
  // At t = 1 the corrected moments are g and g², whatever the betas.
  OptimizerBench::Options options;
  options.weight_decay = 0.1;
  OptimizerBench bench(read_optimizer("{type: adamw, betas: [0.7, 0.8], eps: 0.01}"), {{"w", {3, 4}}}, options);
  bench.randomise_values(1);
  bench.randomise_grads(2);
  const auto w = bench.value("w").clone(), g = bench.grad("w") * 0.5;
  bench.step(1, 0.2, 0.5);
  EXPECT_TRUE(close(bench.value("w"), w * (1 - 0.2 * 0.1) - 0.2 * g / (g.abs() + 0.01), Tolerance::of(at::kDouble)));
}

TEST(Adamw, CoupledDecayGoesThroughTheMoments) {
  // Adam with the decay in the gradient, computed from the formula by hand.
  const auto expected = at::tensor({.4307992, -.1930977, .6076632, -.3717290, -.0520369, .5310952}, at::kDouble);
  const auto w = after_shared_updates("{type: adamw, betas: [0.9, 0.95], eps: 1e-8, decoupled: false}", 0.1, 0.1);
  EXPECT_LT((w - expected).abs().max().item<double>(), 6e-8);  // expected has seven digits
}

TEST(Adamw, RefusesBetas) {
  EXPECT_THROW(read_optimizer("{type: adamw, betas: [0.9, 1.0]}"), ConfigError);
  const auto one = read_optimizer("{type: adamw, betas: [0.9]}");
  EXPECT_THROW(one.entry().make(one.settings()), ConfigError);
}

}  // namespace
}  // namespace ingot::testing
