#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Auon, FollowsTheAuthors) { check_golden_trajectories("auon", "auon", 1e-10); }
TEST(Auon, FollowsThePaper) { check_golden_trajectories("auon_paper", "auon", 1e-10); }

/// The brake of a gradient of 6 elements, by another program.
TEST(Auon, BrakesSmallMatrices) {
  const auto brake = [](const char* gamma) {
    OptimizerBench bench(read_optimizer(std::string("{type: auon, momentum: 0, gamma: ") + gamma + "}"),
                         {{"w", {2, 3}}}, {});
    bench.grad("w").copy_(at::tensor({.1, -.2, .3, .4, .5, -.6}, at::kDouble).view({2, 3}));
    bench.step(1, 1);
    return 1 / bench.value("w").norm().item<double>();
  };
  EXPECT_NEAR(brake("1.5"), 1.2083985, 2e-7);  // the norm has ε in it
  EXPECT_NEAR(brake("1"), 1.0874770, 2e-7);
}

TEST(Auon, TheBrakeIsOneForLargeMatrices) {
  OptimizerBench bench(read_optimizer("{type: auon, momentum: 0}"), {{"w", {64, 64}}}, {});
  bench.randomise_grads(1);
  bench.step(1, 1);
  EXPECT_NEAR(bench.value("w").norm().item<double>(), 1, 3e-4);
}

}  // namespace
}  // namespace ingot::testing
