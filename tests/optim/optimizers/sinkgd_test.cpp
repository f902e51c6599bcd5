#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Sinkgd, FollowsTheFormula) { check_golden_trajectories("sinkgd", "sinkgd", 1e-10); }

TEST(Sinkgd, OneUpdateByAnIndependentProgram) {
  OptimizerBench bench(read_optimizer("sinkgd"), {{"w", {2, 3}}}, {});
  bench.grad("w").copy_(at::tensor({.1, -.2, .3, .4, .5, -.6}, at::kDouble).view({2, 3}));
  bench.step(1, 1);
  EXPECT_LT(largest_difference(-bench.value("w"), {.7923426, -1.0386880, 1.1372365, 1.1714065, .9597537, -.8406504}),
            1e-7);
}

TEST(Sinkgd, RowsAndColumnsOfZerosStay) {
  OptimizerBench bench(read_optimizer("sinkgd"), {{"w", {4, 5}}}, {});
  bench.randomise_grads(1);
  bench.grad("w")[1].zero_();
  bench.grad("w").select(1, 2).zero_();
  bench.step(1, 1);
  EXPECT_TRUE(bench.value("w").isfinite().all().item<bool>());
  EXPECT_EQ(bench.value("w")[1].abs().max().item<double>(), 0);
  EXPECT_EQ(bench.value("w").select(1, 2).abs().max().item<double>(), 0);
  EXPECT_GT(bench.value("w")[0][0].abs().item<double>(), 0.01);
}

}  // namespace
}  // namespace ingot::testing
