#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Sgdp, FollowsTheAuthorsCode) { check_golden_trajectories("sgdp", "sgdp"); }

TEST(Sgdp, DecaysLessWhereTheGradientIsOrthogonal) {
  OptimizerBench::Options options;
  options.weight_decay = 0.1;
  OptimizerBench bench(read_optimizer("{type: sgdp, momentum: 0.75}"), {{"w", {2, 2}}, {"v", {2}}}, options);
  bench.value("w").fill_(1);
  bench.value("v").fill_(1);
  bench.step(1, 0.5);  // gradients are zero: orthogonal to any matrix
  EXPECT_DOUBLE_EQ(bench.value("w")[0][0].item<double>(), 1 - 0.5 * 0.1 * 0.1 / 0.25);
  EXPECT_DOUBLE_EQ(bench.value("v")[0].item<double>(), 1 - 0.5 * 0.1 / 0.25);
}

}  // namespace
}  // namespace ingot::testing
