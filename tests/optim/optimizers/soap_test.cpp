#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

/// W [6] after updates by gradients [2, 3].
at::Tensor after(const std::string& optimizer, const std::vector<std::vector<double>>& gradients) {
  OptimizerBench::Options options;
  options.weight_decay = 0.01;
  OptimizerBench bench(read_optimizer(optimizer), {{"w", {2, 3}}}, options);
  bench.value("w").copy_(at::tensor({.5, -.3, .8, -.2, .1, .4}, at::kDouble).view({2, 3}));
  for (std::size_t t = 0; t < gradients.size(); ++t) {
    bench.grad("w").copy_(at::tensor(gradients[t], at::kDouble).view({2, 3}));
    bench.step(static_cast<std::int64_t>(t) + 1, 0.003);
  }
  return bench.value("w").flatten();
}

const std::vector<double> kG1 = {.1, -.2, .3, .4, .5, -.6}, kG2 = {-.3, .2, .1, .05, -.1, .2};

void expect_near(const at::Tensor& w, const std::vector<double>& expected) {
  EXPECT_LT((w - at::tensor(expected, at::kDouble)).abs().max().item<double>(), 6e-8);  // they have seven digits
}

TEST(Soap, TwentyUpdatesOfTheAuthorsCode) { check_golden_trajectories("soap", "soap", 1e-10); }

TEST(Soap, UpdatesByAnIndependentProgram) {
  expect_near(after("soap", {kG1, kG2}), {.5046879, -.3024109, .7978596, -.2005424, .1039550, .3976263});
  expect_near(after("soap", {kG1, kG2, kG1}), {.5063166, -.3030872, .7945906, -.2030138, .1046646, .3983209});
  expect_near(after("{type: soap, precondition_frequency: 1}", {kG1, kG2, kG1}),
              {.5060897, -.3025353, .7956342, -.2032090, .1025602, .3967338});
}

TEST(Soap, TheFirstUpdateMovesNothing) { expect_near(after("soap", {kG1}), {.5, -.3, .8, -.2, .1, .4}); }

TEST(Soap, SidesWithoutFactorsAreAdam) {
  OptimizerBench one(read_optimizer("{type: soap, max_precond_dim: 1}"), {{"w", {2, 3}}}, {});
  OptimizerBench flat(read_optimizer("soap"), {{"w", {6}}}, {});
  for (std::int64_t t = 1; t <= 12; ++t) {
    flat.randomise_grads(t);
    one.grad("w").copy_(flat.grad("w").view({2, 3}));
    one.step(t, 0.1);
    flat.step(t, 0.1);
  }
  EXPECT_TRUE(same_bits(one.value("w").flatten(), flat.value("w")));
  EXPECT_EQ(one.tensors().size(), 7u);
  EXPECT_EQ(one.tensors()[3].numel(), 0);
}

TEST(Soap, AGradientOfZeroStartsWithUnitBases) {
  OptimizerBench bench(read_optimizer("{type: soap, precondition_frequency: 1}"), {{"w", {4, 3}}}, {});
  bench.step(1, 0.1);
  bench.randomise_grads(1);
  bench.step(2, 0.1);
  bench.step(3, 0.1);
  EXPECT_TRUE(bench.value("w").isfinite().all().item<bool>());
  EXPECT_GT(bench.value("w").abs().min().item<double>(), 0);
}

TEST(Soap, RefusesBetas) {
  const auto one = read_optimizer("{type: soap, betas: [0.9]}");
  EXPECT_THROW(one.entry().make(one.settings()), ConfigError);
}

}  // namespace
}  // namespace ingot::testing
