#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Sgd, FollowsTorch) { check_golden_trajectories("sgd", "sgd"); }

TEST(Sgd, FirstStepInClosedForm) {
  OptimizerBench::Options options;
  options.weight_decay = 0.1;
  OptimizerBench bench(read_optimizer("{type: sgd, momentum: 0.9, dampening: 0.5}"), {{"w", {3, 4}}}, options);
  bench.randomise_values(1);
  bench.randomise_grads(2);
  const auto w = bench.value("w").clone(), g = bench.grad("w") * 0.5;
  bench.step(1, 0.2, 0.5);
  EXPECT_TRUE(close(bench.value("w"), w - 0.2 * (g + 0.1 * w), Tolerance::of(at::kDouble)));
}

TEST(Sgd, DampeningActsFromTheSecondStep) {
  OptimizerBench bench(read_optimizer("{type: sgd, momentum: 0.5, dampening: 0.25}"), {{"w", {2}}}, {});
  bench.grad("w").fill_(1);
  bench.step(1, 1);
  bench.step(2, 1);  // b = 0.5 + 0.75
  EXPECT_TRUE(close(bench.value("w"), at::full({2}, -(1 + 1.25), at::kDouble), Tolerance::of(at::kDouble)));
}

TEST(Sgd, KeepsNoStateWithoutMomentum) {
  OptimizerBench bench(read_optimizer("{type: sgd, momentum: 0}"), {{"w", {2}}}, {});
  EXPECT_TRUE(bench.flat_states().empty());
}

TEST(Sgd, RefusesNesterovWithoutMomentum) {
  for (const char* yaml : {"{type: sgd, nesterov: true, momentum: 0}", "{type: sgd, nesterov: true, dampening: 0.1}"}) {
    const auto optimizer = read_optimizer(yaml);
    EXPECT_THROW(optimizer.entry().make(optimizer.settings()), ConfigError) << yaml;
  }
}

}  // namespace
}  // namespace ingot::testing
