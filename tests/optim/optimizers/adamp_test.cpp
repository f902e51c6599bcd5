#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Adamp, FollowsTheAuthorsCode) { check_golden_trajectories("adamp", "adamp"); }

/// W [2, 3] of the other tests after one update by this gradient.
at::Tensor after_one_update(const std::vector<double>& gradient) {
  OptimizerBench::Options options;
  options.weight_decay = 0.1;
  OptimizerBench bench(read_optimizer("{type: adamp, betas: [0.9, 0.999]}"), {{"w", {2, 3}}}, options);
  bench.value("w").copy_(at::tensor({.5, -.3, .8, -.2, .1, .4}, at::kDouble).view({2, 3}));
  bench.grad("w").copy_(at::tensor(gradient, at::kDouble).view({2, 3}));
  bench.step(1, 0.1);
  return bench.value("w").flatten();
}

TEST(Adamp, OneUpdateByAnIndependentProgram) {
  const at::Tensor orthogonal =
      at::tensor({.4097041, -.4058224, .8155265, -.2902762, -.0048619, .3805524}, at::kDouble);
  EXPECT_LT((after_one_update({.3, .5, 0, .1, .2, 0}) - orthogonal).abs().max().item<double>(), 6e-8);
  const at::Tensor other = at::tensor({.3950000, -.1970000, .6920000, -.2980000, -.0010000, .4960000}, at::kDouble);
  EXPECT_LT((after_one_update({.1, -.2, .3, .4, .5, -.6}) - other).abs().max().item<double>(), 1e-7);  // eps counts
}

TEST(Adamp, StepsAlongTheSphereWhereTheGradientIsOrthogonal) {
  OptimizerBench bench(read_optimizer("adamp"), {{"w", {3, 5}}}, {});
  bench.randomise_values(1);
  bench.randomise_grads(2);
  const at::Tensor w = bench.value("w").clone(), g = bench.grad("w");
  g.sub_(w * ((g * w).sum(1, true) / (w * w).sum(1, true)));
  bench.step(1, 0.01);
  const at::Tensor moved = bench.value("w") - w;
  EXPECT_GT(moved.abs().max().item<double>(), 1e-3);
  EXPECT_LT((moved * w).sum(1).abs().max().item<double>(), 1e-9);
}

TEST(Adamp, RefusesBetas) {
  const auto one = read_optimizer("{type: adamp, betas: [0.9]}");
  EXPECT_THROW(one.entry().make(one.settings()), ConfigError);
}

}  // namespace
}  // namespace ingot::testing
