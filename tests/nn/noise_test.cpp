#include "nn/noise.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ops/recompute/recompute.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

Pass pass_of(std::int64_t first, std::int64_t rows, std::int64_t updates = 3, std::uint64_t seed = 1) {
  return {{updates, 10, seed}, true, at::arange(first, first + rows, at::kLong)};
}

TEST(Noise, IsThatOfTheSampleForAnySplit) {
  const at::Tensor whole = uniform_noise(pass_of(5, 6), "embedding", {3, 700});
  EXPECT_EQ(whole.sizes(), at::IntArrayRef({6, 3, 700}));
  const at::Tensor parts = at::cat(
      {uniform_noise(pass_of(5, 1), "embedding", {3, 700}), uniform_noise(pass_of(6, 5), "embedding", {3, 700})});
  EXPECT_TRUE(same_bits(parts, whole));
}

TEST(Noise, DiffersBySampleUpdateSeedAndSite) {
  const auto noise = [](const Pass& pass, const char* site = "a") { return uniform_noise(pass, site, {64}); };
  const at::Tensor one = noise(pass_of(0, 1));
  for (const at::Tensor& other : {noise(pass_of(1, 1)), noise(pass_of(-1, 1)), noise(pass_of(0, 1, 4)),
                                  noise(pass_of(0, 1, 3, 2)), noise(pass_of(0, 1), "b")}) {
    EXPECT_LT((other == one).sum().item<std::int64_t>(), 2);
  }
}

TEST(Noise, IsUniform) {
  const at::Tensor noise = uniform_noise(pass_of(0, 4), "a", {10001});  // no multiple of a block
  EXPECT_GE(noise.min().item<double>(), 0);
  EXPECT_LT(noise.max().item<double>(), 1);
  EXPECT_NEAR(noise.mean().item<double>(), 0.5, 5 * std::sqrt(1.0 / 12 / 40004));
  EXPECT_NEAR(noise.square().mean().item<double>(), 1.0 / 3, 5 * std::sqrt(4.0 / 45 / 40004));
}

TEST(Noise, NeedsSamples) { EXPECT_THROW(uniform_noise({{}, true, {}}, "a", {2}), std::logic_error); }

TEST(Pass, KnowsWhatItIsFor) {
  Pass pass;
  EXPECT_EQ(pass.kind(), PassKind::kEvaluation);
  pass.training = true;
  std::vector<PassKind> kinds;
  const at::Tensor x = at::arange(3, at::kDouble).requires_grad_();
  ops::recomputed(
      [&](const std::vector<at::Tensor>& in) {
        kinds.push_back(pass.kind());
        return in[0] * 2;
      },
      {x})
      .sum()
      .backward();
  EXPECT_EQ(kinds, (std::vector<PassKind>{PassKind::kTraining, PassKind::kRecompute}));
}

}  // namespace
}  // namespace ingot::testing
