#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(AdamMini, FollowsTheAuthorsCode) { check_golden_trajectories("adam_mini", "adam_mini"); }

TEST(AdamMini, TwoUpdatesByAnIndependentProgram) {
  const at::Tensor expected = at::tensor({.4953856, -.2072466, .5564501, -.3331301, -.0500151, .5581686}, at::kDouble);
  const at::Tensor w = after_shared_updates("{type: adam_mini, betas: [0.9, 0.95], eps: 1e-8}", 0.1, 0.1);
  EXPECT_LT((w - expected).abs().max().item<double>(), 6e-8);  // expected has seven digits
}

/// W after three updates of a tensor of this shape and these facts.
at::Tensor trained(const std::vector<std::int64_t>& shape, const std::function<void(ParamInfo&)>& describe = {}) {
  OptimizerBench::Options options;
  options.describe = describe;
  OptimizerBench bench(read_optimizer("adam_mini"), {{"w", shape}}, options);
  for (std::int64_t t = 1; t <= 3; ++t) {
    bench.randomise_grads(t);
    bench.step(t, 0.1);
  }
  return bench.value("w").flatten();
}

TEST(AdamMini, BlocksFollowTheRole) {
  const auto two_rows = [](ParamInfo& info) {
    info.part = "q";
    info.head_rows = 2;
  };
  EXPECT_TRUE(same_bits(trained({4, 4}, two_rows), trained({2, 8})));  // two heads
  const auto values = [](ParamInfo& info) {
    info.part = "v";
    info.head_rows = 2;
  };
  EXPECT_TRUE(same_bits(trained({4, 4}, values), trained({4, 4})));  // rows
  EXPECT_TRUE(same_bits(trained({4, 4}, [](ParamInfo& info) { info.roles = Role::kConv; }), trained({16})));
}

TEST(AdamMini, BiasesHaveAdam) {
  OptimizerBench::Options options;
  options.describe = [](ParamInfo& info) { info.roles = Role::kBias; };
  OptimizerBench mini(read_optimizer("adam_mini"), {{"w", {5}}}, options);
  OptimizerBench adam(read_optimizer("adamw"), {{"w", {5}}}, options);
  for (std::int64_t t = 1; t <= 3; ++t) {
    mini.randomise_grads(t);
    adam.randomise_grads(t);
    mini.step(t, 0.1);
    adam.step(t, 0.1);
  }
  EXPECT_TRUE(close(mini.value("w"), adam.value("w"), Tolerance::of(at::kDouble).chain(3)));
}

TEST(AdamMini, RefusesBetas) {
  const auto one = read_optimizer("{type: adam_mini, betas: [0.9]}");
  EXPECT_THROW(one.entry().make(one.settings()), ConfigError);
}

}  // namespace
}  // namespace ingot::testing
