#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(LookAhead, FollowsTheFormula) { check_golden_trajectories("look_ahead", "adamw"); }

TEST(LookAhead, OneUpdateByHand) {
  // m = 0.2·(x - w), and the masters stand at x + 0.5·m.
  OptimizerBench::Options options;
  options.modifier = "{type: look_ahead, strength: 0.5, decay: 0.8}";
  OptimizerBench bench(read_optimizer("{type: sgd, momentum: 0}"), {{"w", {3, 4}}}, options);
  bench.randomise_values(1);
  bench.randomise_grads(2);
  const at::Tensor w = bench.value("w").clone(), x = w - 0.1 * bench.grad("w");
  bench.step(1, 0.1);
  EXPECT_TRUE(close(bench.evaluation_weights("w"), x, Tolerance::of(at::kDouble)));
  EXPECT_TRUE(close(bench.value("w"), x + 0.5 * 0.2 * (x - w), Tolerance::of(at::kDouble)));
}

TEST(LookAhead, BeforeItsStartTheWeightsAreThoseOfTheOptimizer) {
  OptimizerBench::Options options;
  options.directions = true;
  OptimizerBench plain(read_optimizer("adamw"), {{"w", {3, 4}}}, options);
  options.modifier = "{type: look_ahead, start: 3 steps}";
  OptimizerBench ahead(read_optimizer("adamw"), {{"w", {3, 4}}}, options);
  for (std::int64_t t = 1; t <= 3; ++t) {
    for (auto* bench : {&plain, &ahead}) {
      bench->randomise_grads(t);
      bench->step(t, 0.1);
    }
    // The third update is followed by the first look ahead.
    EXPECT_EQ(same_bits(plain.value("w"), ahead.value("w")), t < 3) << t;
  }
}

}  // namespace
}  // namespace ingot::testing
