#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Aro, FollowsTheFormula) { check_golden_trajectories("aro", "aro", 1e-10); }

TEST(Aro, TwoUpdatesByAnIndependentProgram) {
  OptimizerBench bench(read_optimizer("{type: aro, rms: 1}"), {{"w", {2, 3}}}, {});
  bench.grad("w").copy_(at::tensor({.1, -.2, .3, .4, .5, -.6}, at::kDouble).view({2, 3}));
  bench.step(1, 1);
  const at::Tensor first = -bench.value("w");
  bench.grad("w").copy_(at::tensor({-.3, .2, .1, .05, -.1, .2}, at::kDouble).view({2, 3}));
  bench.step(2, 1);
  EXPECT_LT(largest_difference(first, {.8991014, .0494545, .2273679, 1.0916120, 1.4133486, -1.3958166}), 2e-7);
  EXPECT_LT(
      largest_difference(-bench.value("w") - first, {-.2401955, .8425837, 1.3750951, 1.3936664, 1.1358049, -.3303231}),
      2e-7);
  const at::Tensor rotation = bench.tensors()[2].abs();
  EXPECT_LT(largest_difference(rotation, {.5213782, .8533257, .8533257, .5213782}), 1e-7);
}

TEST(Aro, DirectionsHaveTheirSize) {
  OptimizerBench bench(read_optimizer("aro"), {{"w", {6, 10}}}, {});
  for (std::int64_t t = 1; t <= 3; ++t) {
    bench.randomise_grads(t);
    const at::Tensor before = bench.value("w").clone();
    bench.step(t, 1);
    EXPECT_NEAR((bench.value("w") - before).square().mean().sqrt().item<double>(), 0.2, 1e-12);
  }
}

}  // namespace
}  // namespace ingot::testing
