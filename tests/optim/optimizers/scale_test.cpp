#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Scale, FollowsTheAuthors) { check_golden_trajectories("scale", "scale", 1e-10); }

TEST(Scale, OneUpdateByAnIndependentProgram) {
  const auto direction = [](Role role) {
    OptimizerBench bench(read_optimizer("scale"), {{"w", {2, 3}, role}}, {});
    bench.grad("w").copy_(at::tensor({.1, -.2, .3, .4, .5, -.6}, at::kDouble).view({2, 3}));
    bench.step(1, 1);
    if (role != Role::kHead) return -bench.value("w");
    const at::Tensor before = bench.value("w").clone();
    bench.grad("w").copy_(at::tensor({-.3, .2, .1, .05, -.1, .2}, at::kDouble).view({2, 3}));
    bench.step(2, 1);
    return before - bench.value("w");
  };
  EXPECT_LT(
      largest_difference(direction(Role::kInner), {.4629100, -.9258201, 1.3887301, .7895420, .9869275, -1.1843131}),
      1e-7);
  EXPECT_LT(largest_difference(direction(Role::kEmbedding),
                               {.3429972, -.5252257, .6324555, 1.3719887, 1.3130643, -1.2649111}),
            1e-7);
  EXPECT_LT(
      largest_difference(direction(Role::kHead), {-.8540067, .0813340, 1.5046785, 1.1142292, .9511712, -.9239949}),
      1e-7);
}

TEST(Scale, TakesMatricesEmbeddingsAndHeads) {
  OptimizerBench bench(read_optimizer("scale"),
                       {{"inner", {4, 4}},
                        {"tied", {9, 4}, {Role::kEmbedding, Role::kHead}},
                        {"beta", {2, 4}, Role::kReadsStream, "beta", 1}},
                       {});
  for (const char* name : {"inner", "tied", "beta"}) {
    EXPECT_TRUE(read_optimizer("scale").entry().can_train(bench.master(name))) << name;
  }
  OptimizerBench rest(read_optimizer("sgd"), {{"conv", {4, 3}, Role::kConv}, {"gain", {4}}}, {});
  for (const char* name : {"conv", "gain"}) {
    EXPECT_FALSE(read_optimizer("scale").entry().can_train(rest.master(name))) << name;
  }
}

/// Tied embeddings follow the rule of heads, whose state alone takes memory.
TEST(Scale, OnlyHeadsHaveAState) {
  OptimizerBench bench(read_optimizer("scale"), {{"inner", {4, 4}}, {"tied", {9, 4}, {Role::kEmbedding, Role::kHead}}},
                       {});
  const auto tensors = bench.tensors();  // value, state of each
  ASSERT_EQ(tensors.size(), 4u);
  EXPECT_EQ(tensors[1].numel(), 0);
  EXPECT_EQ(tensors[3].numel(), 36);
}

}  // namespace
}  // namespace ingot::testing
