#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "params/scaling.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Muon, FollowsTheAuthorsAndPyTorch) { check_golden_trajectories("muon", "muon", 1e-10); }

TEST(Muon, TwoUpdatesByAnIndependentProgram) {
  EXPECT_LT(largest_difference(after_shared_updates("muon", 0.02, 0.01),
                               {.4952788, -.3069168, .7802442, -.2209826, .0761084, .4061183}),
            1e-7);
  EXPECT_LT(largest_difference(after_shared_updates("{type: muon, scale: match_rms}", 1e-3, 0.1),
                               {.4998217, -.3000619, .7995034, -.2003248, .0995669, .4000288}),
            1e-7);
}

/// On transposed tensors: the factor of tall matrices, sqrt(1.5).
TEST(Muon, TallMatricesTakeLongerSteps) {
  OptimizerBench::Options options;
  options.weight_decay = 0.01;
  OptimizerBench bench(read_optimizer("muon"), {{"w", {3, 2}}}, options);
  const auto set = [](at::Tensor to, std::vector<double> rows) {
    to.copy_(at::tensor(rows, at::kDouble).view({2, 3}).t());
  };
  set(bench.value("w"), {.5, -.3, .8, -.2, .1, .4});
  set(bench.grad("w"), {.1, -.2, .3, .4, .5, -.6});
  bench.step(1, 0.02);
  set(bench.grad("w"), {-.3, .2, .1, .05, -.1, .2});
  bench.step(2, 0.02);
  EXPECT_LT(largest_difference(bench.value("w").t().contiguous(),
                               {.4942627, -.3084982, .7758761, -.2257164, .0707479, .4075294}),
            1e-7);
}

TEST(Muon, SplitHeadsAreMatricesOfTheirOwn) {
  const auto split = read_optimizer("{type: muon, heads: split}");
  OptimizerBench one(split, {{"q", {6, 5}, Role::kReadsStream, "q", 3}}, {});
  OptimizerBench two(split, {{"a", {3, 5}}, {"b", {3, 5}}}, {});
  for (std::int64_t t = 1; t <= 2; ++t) {
    one.randomise_grads(t);
    two.grad("a").copy_(one.grad("q").narrow(0, 0, 3));
    two.grad("b").copy_(one.grad("q").narrow(0, 3, 3));
    one.step(t, 0.1);
    two.step(t, 0.1);
  }
  EXPECT_TRUE(same_bits(one.value("q").narrow(0, 0, 3), two.value("a")));
  EXPECT_TRUE(same_bits(one.value("q").narrow(0, 3, 3), two.value("b")));
  OptimizerBench whole(read_optimizer("muon"), {{"q", {6, 5}, Role::kReadsStream, "q", 3}}, {});
  whole.randomise_grads(1);
  whole.step(1, 0.1);
  EXPECT_GT((whole.value("q") - one.value("q")).abs().max().item<double>(), 1e-3);
}

TEST(Muon, TheScaleOfGradientsDoesNotMatter) {
  const auto muon = read_optimizer("{type: muon, eps: 1e-30}");
  OptimizerBench a(muon, {{"w", {3, 4}}}, {}), b(muon, {{"w", {3, 4}}}, {});
  for (std::int64_t t = 1; t <= 3; ++t) {
    a.randomise_grads(t);
    b.randomise_grads(t);
    a.step(t, 0.1, 1);
    b.step(t, 0.1, 1024);
  }
  EXPECT_LT((a.value("w") - b.value("w")).abs().max().item<double>(), 1e-14);
}

TEST(Muon, ZeroGradientsMoveNothing) {
  OptimizerBench bench(read_optimizer("muon"), {{"w", {3, 4}}}, {});
  bench.step(1, 1);
  EXPECT_EQ(bench.value("w").abs().max().item<double>(), 0);
}

TEST(Muon, TakesMatricesInsideTheStack) {
  const auto muon = read_optimizer("muon");
  OptimizerBench bench(read_optimizer("sgd"),
                       {{"inner", {4, 4}},
                        {"q", {4, 4}, Role::kReadsStream, "q", 2},
                        {"beta", {2, 4}, Role::kReadsStream, "beta", 1},
                        {"embedding", {9, 4}, Role::kEmbedding},
                        {"head", {9, 4}, Role::kHead},
                        {"conv", {4, 3}, Role::kConv},
                        {"meta", {2, 4}, Role::kMeta},
                        {"gain", {4}}},
                       {});
  for (const char* name : {"inner", "q"}) EXPECT_TRUE(muon.entry().can_train(bench.master(name))) << name;
  for (const char* name : {"beta", "embedding", "head", "conv", "meta", "gain"}) {
    EXPECT_FALSE(muon.entry().can_train(bench.master(name))) << name;
  }
}

TEST(Muon, UpdateSizesFollowTheScale) {
  const auto size = [](const char* yaml) {
    const auto muon = read_optimizer(yaml);
    return muon.entry().update_size_of(muon.settings());
  };
  EXPECT_EQ(size("muon"), UpdateSize::kSpectral);
  EXPECT_EQ(size("{type: muon, scale: spectral}"), UpdateSize::kSpectral);
  EXPECT_EQ(size("{type: muon, scale: match_rms}"), UpdateSize::kOrthogonal);
}

TEST(Muon, RefusesStepsWithoutCoefficients) {
  const auto six = read_optimizer("{type: muon, method: polar_express, steps: 6}");
  EXPECT_THROW(six.entry().make(six.settings()), ConfigError);
}

}  // namespace
}  // namespace ingot::testing
