#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Adopt, FollowsTheAuthorsCode) { check_golden_trajectories("adopt", "adopt"); }

TEST(Adopt, TheFirstUpdateLeavesWeightsAlone) {
  for (const bool directions : {false, true}) {
    OptimizerBench::Options options;
    options.weight_decay = 0.1;
    options.directions = directions;
    OptimizerBench bench(read_optimizer("adopt"), {{"w", {3, 4}}, {"v", {3}}}, options);
    bench.randomise_values(1);
    const at::Tensor before = bench.flat_values().clone();
    bench.randomise_grads(2);
    bench.step(1, 0.1);
    EXPECT_TRUE(same_bits(bench.flat_values(), before));
    bench.step(2, 0.1);
    EXPECT_FALSE(same_bits(bench.flat_values(), before));
  }
}

TEST(Adopt, RefusesBetas) {
  const auto one = read_optimizer("{type: adopt, betas: [0.9]}");
  EXPECT_THROW(one.entry().make(one.settings()), ConfigError);
}

}  // namespace
}  // namespace ingot::testing
