#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"

namespace ingot::testing {
namespace {

TEST(Laprop, FollowsTheAuthorsCode) { check_golden_trajectories("laprop", "laprop"); }

TEST(Laprop, TheFirstStepIsTheSign) {
  OptimizerBench bench(read_optimizer("laprop"), {{"w", {3, 4}}}, {});
  bench.randomise_grads(1);
  bench.step(1, 0.5);
  // 1 - 0.999 has an error of 1e-13.
  EXPECT_LT((bench.value("w") + bench.grad("w").sign() * 0.5).abs().max().item<double>(), 1e-12);
}

TEST(Laprop, RefusesBetas) {
  const auto one = read_optimizer("{type: laprop, betas: [0.9]}");
  EXPECT_THROW(one.entry().make(one.settings()), ConfigError);
}

}  // namespace
}  // namespace ingot::testing
