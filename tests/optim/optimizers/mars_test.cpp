#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Mars, FollowsTheAuthorsCode) { check_golden_trajectories("mars", "mars"); }

TEST(Mars, TwoUpdatesByAnIndependentProgram) {
  const at::Tensor expected = at::tensor({.4983922, -.2977573, .7944144, -.2042927, .0965628, .4028037}, at::kDouble);
  const at::Tensor w = after_shared_updates("{type: mars, betas: [0.95, 0.99], gamma: 0.025}", 0.003, 0.1);
  EXPECT_LT((w - expected).abs().max().item<double>(), 6e-8);  // expected has seven digits
}

TEST(Mars, VectorsHaveAdamw) {
  OptimizerBench mars(read_optimizer("mars"), {{"v", {6}}}, {});
  OptimizerBench adamw(read_optimizer("{type: adamw, betas: [0.9, 0.95]}"), {{"v", {6}}}, {});
  for (std::int64_t t = 1; t <= 4; ++t) {
    mars.randomise_grads(t);
    adamw.randomise_grads(t);
    mars.step(t, 0.1);
    adamw.step(t, 0.1);
  }
  EXPECT_TRUE(same_bits(mars.value("v"), adamw.value("v")));
}

TEST(Mars, RefusesBetas) {
  for (const char* yaml : {"{type: mars, betas: [0.9]}", "{type: mars, vector_betas: [0.9]}"}) {
    const auto one = read_optimizer(yaml);
    EXPECT_THROW(one.entry().make(one.settings()), ConfigError) << yaml;
  }
}

}  // namespace
}  // namespace ingot::testing
