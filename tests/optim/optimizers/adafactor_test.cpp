#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Adafactor, FollowsFairseq) { check_golden_trajectories("adafactor", "adafactor"); }

TEST(Adafactor, OneUpdateByAnIndependentProgram) {
  OptimizerBench bench(read_optimizer("{type: adafactor, relative: false}"), {{"w", {2, 3}}}, {});
  bench.grad("w").copy_(at::tensor({.1, -.2, .3, .4, .5, -.6}, at::kDouble).view({2, 3}));
  bench.step(1, 1);
  const at::Tensor expected =
      at::tensor({.6183469, -.9468642, 1.1401754, 1.0546561, 1.0093606, -.9723449}, at::kDouble);
  EXPECT_LT((bench.value("w").flatten() + expected).abs().max().item<double>(), 6e-8);  // expected has seven digits
}

TEST(Adafactor, KeepsRowsAndColumnsOfMatrices) {
  OptimizerBench bench(read_optimizer("adafactor"), {{"w", {20, 30}}, {"v", {7}}}, {});
  std::int64_t numbers = 0;
  for (const auto& tensor : bench.tensors()) numbers += tensor.numel();
  EXPECT_EQ(numbers, (600 + 20 + 30) + (7 + 7));
}

TEST(Adafactor, ZeroGradientsMoveNothing) {
  OptimizerBench bench(read_optimizer("adafactor"), {{"w", {2, 3}}, {"v", {3}}}, {});
  for (std::int64_t t = 1; t <= 2; ++t) bench.step(t, 1);
  EXPECT_TRUE(same_bits(bench.value("w"), at::zeros({2, 3}, at::kDouble)));
  EXPECT_TRUE(same_bits(bench.value("v"), at::zeros({3}, at::kDouble)));
}

}  // namespace
}  // namespace ingot::testing
