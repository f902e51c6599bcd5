#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_matrix_norm.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Scion, FollowsTheAuthors) { check_golden_trajectories("scion", "scion", 1e-10); }

/// Constrained steps keep a weight in the ball that its radius gives.
TEST(Scion, DecayOfOneKeepsWeightsInTheirBall) {
  OptimizerBench::Options options;
  options.weight_decay = 1;
  OptimizerBench bench(read_optimizer("{type: scion, method: exact, radius: {matrices: 3}}"), {{"w", {4, 16}}},
                       options);
  bench.randomise_values(1);
  for (std::int64_t t = 1; t <= 80; ++t) {
    bench.randomise_grads(t);
    bench.step(t, 0.1);
  }
  EXPECT_LT(at::linalg_matrix_norm(bench.value("w"), 2).item<double>(), 3 * 0.5 * 1.01);  // sqrt(4 / 16) = 0.5
}

TEST(Scion, ZeroGradientsMoveNothing) {
  OptimizerBench bench(read_optimizer("scion"), {{"w", {3, 4}}, {"e", {5, 4}, Role::kEmbedding}, {"v", {3}}}, {});
  bench.step(1, 1);
  EXPECT_EQ(bench.flat_values().abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace ingot::testing
