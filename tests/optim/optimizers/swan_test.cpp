#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Swan, FollowsTheFormula) { check_golden_trajectories("swan", "swan", 1e-10); }

TEST(Swan, OneUpdateByAnIndependentProgram) {
  const auto direction = [](const char* rescale) {
    OptimizerBench bench(read_optimizer(std::string("{type: swan, method: exact, rescale: ") + rescale + "}"),
                         {{"w", {2, 3}}}, {});
    bench.grad("w").copy_(at::tensor({.1, -.2, .3, .4, .5, -.6}, at::kDouble).view({2, 3}));
    bench.step(1, 1);
    return -bench.value("w");
  };
  EXPECT_LT(largest_difference(direction("false"), {.4758909, -.8125287, .3366378, .6634716, .0803978, -.7438694}),
            1e-7);
  EXPECT_LT(largest_difference(direction("true"), {.8242672, -1.4073410, .5830738, 1.1491665, .1392531, -1.2884196}),
            2e-7);
}

/// After the removal of means a tall gradient has one direction less than columns.
TEST(Swan, TallMatricesAreWhitenedOnWhatIsLeft) {
  OptimizerBench bench(read_optimizer("{type: swan, rescale: false}"), {{"w", {9, 4}}}, {});
  bench.randomise_grads(1);
  bench.step(1, 1);
  EXPECT_TRUE(bench.value("w").isfinite().all().item<bool>());
  EXPECT_LT(bench.value("w").sum(1).abs().max().item<double>(), 1e-6);
  EXPECT_GT(bench.value("w").norm().item<double>(), 1);
}

}  // namespace
}  // namespace ingot::testing
