#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_matrix_norm.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(MuonPp, FollowsTheFormula) { check_golden_trajectories("muon_pp", "muon_pp", 1e-10); }

/// However far the iteration leaves singular values from 1.
TEST(MuonPp, UpdatesHaveTheirExactNorm) {
  OptimizerBench bench(read_optimizer("{type: muon_pp, method: newton_schulz, power_steps: 60}"),
                       {{"tall", {16, 4}}, {"wide", {4, 16}}}, {});
  bench.randomise_grads(1);
  bench.step(1, 1);
  EXPECT_NEAR(at::linalg_matrix_norm(bench.value("tall"), 2).item<double>(), 2, 2e-3);
  EXPECT_NEAR(at::linalg_matrix_norm(bench.value("wide"), 2).item<double>(), 0.5, 5e-4);
}

TEST(MuonPp, ZeroGradientsMoveNothing) {
  OptimizerBench bench(read_optimizer("muon_pp"), {{"w", {3, 4}}}, {});
  bench.step(1, 1);
  EXPECT_EQ(bench.value("w").abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace ingot::testing
