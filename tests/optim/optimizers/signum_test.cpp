#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Signum, MovesEveryWeightByTheRate) {
  OptimizerBench bench(read_optimizer("{type: signum, momentum: 0.5}"), {{"w", {3}}}, {});
  bench.grad("w").copy_(at::tensor({2.0, -3.0, 0.0}, at::kDouble));
  bench.step(1, 0.25);
  EXPECT_TRUE(same_bits(bench.value("w"), at::tensor({-0.25, 0.25, 0.0}, at::kDouble)));
  // m = 0.5 (1, -1.5, 0) + 0.5 (-1.5, 0.5, -1) = (-0.25, -0.5, -0.5)
  bench.grad("w").copy_(at::tensor({-1.5, 0.5, -1.0}, at::kDouble));
  bench.step(2, 0.25);
  EXPECT_TRUE(same_bits(bench.value("w"), at::tensor({0.0, 0.5, 0.25}, at::kDouble)));
}

TEST(Signum, WithoutMomentumIsTheSignOfTheGradient) {
  OptimizerBench bench(read_optimizer("{type: signum, momentum: 0}"), {{"w", {2}}}, {});
  for (std::int64_t t = 1; t <= 2; ++t) {
    bench.grad("w").copy_(at::tensor({t == 1 ? 9.0 : -1e-3, 1.0}, at::kDouble));
    bench.step(t, 0.5);
  }
  EXPECT_TRUE(same_bits(bench.value("w"), at::tensor({0.0, -1.0}, at::kDouble)));
}

}  // namespace
}  // namespace ingot::testing
