#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Prodigy, FollowsTheAuthorsCode) { check_golden_trajectories("prodigy", "prodigy"); }

TEST(Prodigy, FindsARate) {
  // |w - 3| in each of four places: the distance is 3, the first estimate a millionth.
  OptimizerBench bench(read_optimizer("{type: prodigy, betas: [0.9, 0.99]}"), {{"w", {2, 2}}}, {});
  for (std::int64_t t = 1; t <= 200; ++t) {
    bench.grad("w").copy_((bench.value("w") - 3).sign());
    bench.step(t, 1);
  }
  EXPECT_LT((bench.value("w") - 3).abs().max().item<double>(), 0.5);
}

TEST(Prodigy, TheRateIsOfAllParameters) {
  const auto trained = [](const std::vector<OptimizerBench::Shape>& shapes) {
    OptimizerBench bench(read_optimizer("{type: prodigy, d0: 0.01}"), shapes, {});
    for (std::int64_t t = 1; t <= 5; ++t) {
      for (const auto& one : shapes) bench.grad(one.name).fill_(one.name == "a" ? 1 : -0.01);
      bench.step(t, 1);
    }
    return bench.value("a").clone();
  };
  const auto alone = trained({{"a", {4}}});
  EXPECT_TRUE(same_bits(alone, trained({{"a", {4}}})));
  EXPECT_FALSE(same_bits(alone, trained({{"a", {4}}, {"b", {500}}})));
}

TEST(Prodigy, AnUpdateAtRateZeroChangesNothing) {
  OptimizerBench bench(read_optimizer("prodigy"), {{"w", {3}}}, {});
  bench.randomise_values(1);
  bench.randomise_grads(1);
  bench.step(1, 1);
  std::vector<at::Tensor> before;
  for (const auto& tensor : bench.tensors()) before.push_back(tensor.clone());
  bench.step(2, 0);
  const auto after = bench.tensors();
  EXPECT_TRUE(same_bits(before[0], after[0]));
  EXPECT_TRUE(same_bits(before[1], after[1]));
  EXPECT_TRUE(same_bits(before.back(), after.back()));
}

TEST(Prodigy, RefusesBetas) {
  const auto one = read_optimizer("{type: prodigy, betas: [0.9]}");
  EXPECT_THROW(one.entry().make(one.settings()), ConfigError);
}

}  // namespace
}  // namespace ingot::testing
