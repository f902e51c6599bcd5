#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "optim/bench.h"
#include "optim/noise.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(PsgdKron, TwentyUpdatesOfTheAuthorsCode) { check_golden_trajectories("psgd_kron", "psgd_kron", 1e-10); }

TEST(PsgdKron, NoiseDependsOnTheParameter) {
  OptimizerBench bench(read_optimizer("psgd_kron"), {{"a", {3, 4}}, {"b", {3, 4}}}, {});
  bench.randomise_grads(1);
  bench.grad("b").copy_(bench.grad("a"));
  bench.step(1, 0.1);
  EXPECT_FALSE(same_bits(bench.value("a"), bench.value("b")));
}

TEST(PsgdKron, TheStepIsClipped) {
  OptimizerBench bench(read_optimizer("psgd_kron"), {{"w", {3, 4}}}, {});
  bench.randomise_grads(1);
  bench.grad("w").mul_(1000);
  bench.step(1, 1);
  EXPECT_NEAR(bench.value("w").square().mean().sqrt().item<double>(), 1.1, 1e-9);
}

TEST(NormalNoise, IsTheStreamWhateverTheThreads) {
  const at::Tensor wide = normal_noise({9000}, 7, at::TensorOptions(at::kDouble));
  const at::Tensor head = normal_noise({10}, 7, at::TensorOptions(at::kFloat));
  EXPECT_TRUE(same_bits(wide.narrow(0, 0, 10).to(at::kFloat), head));
  EXPECT_NEAR(wide.mean().item<double>(), 0, 0.05);
  EXPECT_NEAR(wide.std().item<double>(), 1, 0.05);
}

}  // namespace
}  // namespace ingot::testing
