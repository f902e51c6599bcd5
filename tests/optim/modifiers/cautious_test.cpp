#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Cautious, TwoUpdatesOfAdamwByAnIndependentProgram) {
  const at::Tensor expected = at::tensor({.4644444, -.2029247, .5530858, -.4100138, -.0009900, .4910400}, at::kDouble);
  const at::Tensor w = after_shared_updates("{type: adamw, betas: [0.9, 0.95], eps: 1e-8}", 0.1, 0.1, "cautious");
  EXPECT_LT((w - expected).abs().max().item<double>(), 6e-8);  // expected has seven digits
}

TEST(Cautious, LeavesWhatAgreesWithEveryGradient) {
  // The first direction of Adam has the signs of the gradient.
  const char* adamw = "{type: adamw, betas: [0.9, 0.95]}";
  OptimizerBench::Options options;
  options.directions = true;
  OptimizerBench plain(read_optimizer(adamw), {{"w", {3, 4}}}, options);
  options.modifier = "cautious";
  OptimizerBench cautious(read_optimizer(adamw), {{"w", {3, 4}}}, options);
  for (auto* bench : {&plain, &cautious}) {
    bench->randomise_grads(1);
    bench->step(1, 0.1);
  }
  EXPECT_TRUE(same_bits(plain.value("w"), cautious.value("w")));
}

}  // namespace
}  // namespace ingot::testing
