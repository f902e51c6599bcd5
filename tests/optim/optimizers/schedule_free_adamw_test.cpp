#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(ScheduleFreeAdamw, FollowsTheAuthors) { check_golden_trajectories("schedule_free_adamw", "schedule_free_adamw"); }

TEST(ScheduleFreeAdamw, TwoUpdatesByAnIndependentProgram) {
  OptimizerBench::Options options;
  options.weight_decay = 0.1;
  OptimizerBench bench(read_optimizer("{type: schedule_free_adamw, betas: [0.9, 0.95]}"), {{"w", {2, 3}}}, options);
  const auto fill = [](const at::Tensor& to, std::initializer_list<double> values) {
    to.copy_(at::tensor(at::ArrayRef<double>(values), at::kDouble).view({2, 3}));
  };
  fill(bench.value("w"), {.5, -.3, .8, -.2, .1, .4});
  fill(bench.grad("w"), {.1, -.2, .3, .4, .5, -.6});
  bench.step(1, 0.1);
  fill(bench.grad("w"), {-.3, .2, .1, .05, -.1, .2});
  bench.step(2, 0.1);
  const auto expect = [](const at::Tensor& got, std::initializer_list<double> values) {
    const at::Tensor expected = at::tensor(at::ArrayRef<double>(values), at::kDouble);
    EXPECT_LT((got.flatten() - expected).abs().max().item<double>(), 6e-8) << got;  // expected has seven digits
  };
  expect(bench.value("w"), {.4658724, -.2509165, .6633410, -.3061308, .0144435, .4684190});
  expect(bench.flat_states()[0].narrow(0, 0, 6), {.5238589, -.2950300, .6398928, -.3127833, .0270792, .4458528});
  expect(bench.evaluation_weights("w"), {.4594294, -.2460150, .6659464, -.3053916, .0130396, .4709264});
}

TEST(ScheduleFreeAdamw, EvaluatesTheMeanOfItsSteps) {
  OptimizerBench bench(read_optimizer("{type: schedule_free_adamw, betas: [0.8, 0.9]}"), {{"w", {4}}}, {});
  bench.randomise_values(1);
  at::Tensor sum = bench.value("w") * 0;
  for (std::int64_t t = 1; t <= 5; ++t) {
    bench.randomise_grads(t);
    bench.step(t, 0.1);
    sum = sum + bench.flat_states()[0].narrow(0, 0, 4);  // z
    EXPECT_TRUE(close(bench.evaluation_weights("w"), sum / t, Tolerance::of(at::kDouble).chain(10))) << t;
  }
}

TEST(ScheduleFreeAdamw, RefusesAFirstBetaOfZero) {
  const auto zero = read_optimizer("{type: schedule_free_adamw, betas: [0, 0.9]}");
  EXPECT_THROW(zero.entry().make(zero.settings()), ConfigError);
}

}  // namespace
}  // namespace ingot::testing
