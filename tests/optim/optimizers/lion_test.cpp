#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Lion, TwoUpdatesByAnIndependentProgram) {
  const at::Tensor expected = at::tensor({.4990105, -.2994103, .7784108, -.2195902, .0998101, .3991904}, at::kDouble);
  const at::Tensor w = after_shared_updates("{type: lion, betas: [0.9, 0.99]}", 0.01, 0.1);
  EXPECT_LT((w - expected).abs().max().item<double>(), 6e-8);  // expected has seven digits
}

TEST(Lion, TheScaleOfGradientsDoesNotMatter) {
  const auto lion = read_optimizer("lion");
  OptimizerBench a(lion, {{"w", {3, 4}}}, {}), b(lion, {{"w", {3, 4}}}, {});
  for (std::int64_t t = 1; t <= 5; ++t) {
    a.randomise_grads(t);
    b.randomise_grads(t);
    a.step(t, 0.1, 1);
    b.step(t, 0.1, 1024);
  }
  EXPECT_TRUE(same_bits(a.value("w"), b.value("w")));
}

TEST(Lion, RefusesBetas) {
  const auto one = read_optimizer("{type: lion, betas: [0.9]}");
  EXPECT_THROW(one.entry().make(one.settings()), ConfigError);
}

}  // namespace
}  // namespace ingot::testing
