#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "params/masters.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

/// W over its scales.
at::Tensor integers_of(const Parametrized& p) { return p.weight() / p.masters[2].exp().unsqueeze(1); }

TEST(A2q, WeightsAreIntegersOfTheirBitsTimesAScale) {
  const at::Tensor w = random_normal({6, 40}, 1);
  const Parametrized p("{type: a2q, weight_bits: 5}", w);
  const at::Tensor integers = integers_of(p);
  EXPECT_LT((integers - integers.round()).abs().max().item<double>(), 1e-12);
  EXPECT_LE(integers.abs().max().item<double>(), 15 + 1e-12);
  // Towards zero, by less than one scale.
  const at::Tensor scale = w.abs().amax(1, true) / 15, lost = (w - p.weight()) * w.sign() / scale;
  EXPECT_GT(lost.min().item<double>(), -1e-12);
  EXPECT_LT(lost.max().item<double>(), 1 + 1e-12);
}

TEST(A2q, SumsFitIntoTheAccumulator) {
  // Inputs of 4 bits with a sign reach 8: rows of integers may add up to (2^9 - 1) / 8.
  const at::Tensor w = random_normal({6, 40}, 1);
  const Parametrized p("{type: a2q, input_bits: 4, accumulator_bits: 10}", w);
  const at::Tensor sums = integers_of(p).abs().sum(1);
  EXPECT_LE(sums.max().item<double>(), 511.0 / 8);
  EXPECT_GT(sums.min().item<double>(), 511.0 / 8 - 40);
  const Parametrized unsigned_input("{type: a2q, input_bits: 4, accumulator_bits: 10, signed_input: false}", w);
  EXPECT_LE(integers_of(unsigned_input).abs().sum(1).max().item<double>(), 511.0 / 16);
  const Parametrized real("{type: a2q, input_bits: 4, accumulator_bits: 10, round: false}", w);
  EXPECT_LT((integers_of(real).abs().sum(1) - 511.0 / 8).abs().max().item<double>(), 1e-11);
}

TEST(A2q, WithoutRoundingAndCapItIsTheWeight) {
  const at::Tensor w = random_normal({6, 40}, 1);
  EXPECT_TRUE(close(Parametrized("{type: a2q, round: false}", w).weight(), w,
                    Tolerance::of(at::kDouble).reduction(40).chain(4)));
}

/// Straight through the rounding: for v and g the gradient of the map without it, for log s what rounding takes away.
TEST(A2q, GradientPassesTheRounding) {
  const at::Tensor w = random_normal({6, 40}, 1), upstream = random_normal({6, 40}, 2);
  Parametrized rounded("a2q", w), real("{type: a2q, round: false}", w);
  for (auto* p : {&rounded, &real}) p->masters[2].add_(0.1);  // no weight stands at the bound
  const auto a = rounded.pull_back(upstream), b = real.pull_back(upstream);
  const auto tolerance = Tolerance::of(at::kDouble).reduction(40).chain(6);
  EXPECT_TRUE(close(a[0], b[0], tolerance));
  EXPECT_TRUE(close(a[1], b[1], tolerance));
  EXPECT_TRUE(close(a[2], ((rounded.weight() - real.weight()) * upstream).sum(1), tolerance));
}

TEST(A2q, DecayActsOnTheSums) {
  const auto specs = parametrization("a2q")->masters(matrix_info(6, 4));
  EXPECT_FALSE(specs[0].decays);
  EXPECT_EQ(specs[1].suffix, ".g");
  EXPECT_TRUE(specs[1].decays);
  EXPECT_FALSE(specs[2].decays);
}

}  // namespace
}  // namespace ingot::testing
