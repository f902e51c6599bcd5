#include <ATen/TensorOperators.h>
#include <ATen/ops/diag.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Shampoo, TwentyUpdatesByAnIndependentProgram) { check_golden_trajectories("shampoo", "shampoo", 1e-10); }

TEST(Shampoo, TwentyUpdatesOfThePaperByAPackage) { check_golden_trajectories("shampoo_sums", "shampoo", 1e-10); }

TEST(Shampoo, TheFirstUpdateIsThePolarFactor) {
  // (G Gᵀ)^(-1/4) G (Gᵀ G)^(-1/4) has singular values of 1.
  OptimizerBench bench(read_optimizer("{type: shampoo, graft: none, start: 0, betas: [0, 0.9]}"), {{"w", {3, 3}}}, {});
  bench.grad("w").copy_(at::diag(at::tensor({4.0, -9.0, 0.25}, at::kDouble)));
  bench.step(1, 1);
  const at::Tensor expected = at::diag(at::tensor({-1.0, 1.0, -1.0}, at::kDouble));
  EXPECT_LT((bench.value("w") - expected).abs().max().item<double>(), 1e-12);
}

TEST(Shampoo, GraftedStepsHaveAdamsLength) {
  OptimizerBench shampoo(read_optimizer("shampoo"), {{"w", {4, 5}}}, {});
  OptimizerBench adam(read_optimizer("{type: adamw, betas: [0.9, 0.95]}"), {{"w", {4, 5}}}, {});
  for (std::int64_t t = 1; t <= 12; ++t) {
    const at::Tensor before = shampoo.value("w").clone(), adams = adam.value("w").clone();
    shampoo.randomise_grads(t);
    adam.randomise_grads(t);
    shampoo.step(t, 0.1);
    adam.step(t, 0.1);
    EXPECT_NEAR((shampoo.value("w") - before).norm().item<double>(), (adam.value("w") - adams).norm().item<double>(),
                1e-12);
  }
}

}  // namespace
}  // namespace ingot::testing
