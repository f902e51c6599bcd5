#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Apollo, TwentyUpdatesOfTheAuthorsCode) { check_golden_trajectories("apollo", "apollo", 1e-10); }

TEST(Apollo, MiniMovesAlongTheGradient) {
  OptimizerBench bench(read_optimizer("{type: apollo, rank: 1, per: tensor}"), {{"w", {6, 4}}}, {});
  bench.randomise_grads(1);
  bench.step(1, 0.1);
  const at::Tensor w = bench.value("w"), g = bench.grad("w");
  EXPECT_NEAR((w * g).sum().item<double>(), -w.norm().item<double>() * g.norm().item<double>(), 1e-12);
}

TEST(Apollo, StepsGrowByOnePercentAtMost) {
  OptimizerBench bench(read_optimizer("{type: apollo, rank: 1, betas: [0, 0]}"), {{"w", {6, 4}}}, {});
  double before = 0;
  for (std::int64_t t = 1; t <= 4; ++t) {
    const at::Tensor w = bench.value("w").clone();
    bench.randomise_grads(1);
    bench.grad("w").mul_(static_cast<double>(t));  // without averages steps would be as long each time
    bench.step(t, t == 1 ? 0.01 : 1);
    const double length = (bench.value("w") - w).norm().item<double>() / (t == 1 ? 0.01 : 1);
    if (t > 1) {
      EXPECT_LE(length, 1.01 * before * (1 + 1e-9));
    }
    before = length;
  }
}

TEST(Apollo, KeepsStatesOfLowRank) {
  OptimizerBench bench(read_optimizer("{type: apollo, rank: 2}"), {{"tall", {6, 4}}, {"wide", {3, 7}}}, {});
  const auto tensors = bench.tensors();  // for each: value, m, v, projection, length of the step
  EXPECT_EQ(tensors[1].sizes(), (std::vector<std::int64_t>{6, 2}));
  EXPECT_EQ(tensors[3].sizes(), (std::vector<std::int64_t>{2, 4}));
  EXPECT_EQ(tensors[6].sizes(), (std::vector<std::int64_t>{2, 7}));
  EXPECT_EQ(tensors[8].sizes(), (std::vector<std::int64_t>{3, 2}));
}

}  // namespace
}  // namespace ingot::testing
