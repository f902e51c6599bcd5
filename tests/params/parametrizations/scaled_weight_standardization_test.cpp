#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "params/masters.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

const Tolerance kScaledTolerance = Tolerance::of(at::kDouble).reduction(4).chain(6);

TEST(ScaledWeightStandardization, RowsHaveMeanZeroAndTheLengthOfTheirGain) {
  const at::Tensor w = random_normal({6, 4}, 1);
  Parametrized p("{type: scaled_weight_standardization, activation_gain: 1.5}", w);
  p.masters[1].copy_(random_normal({6}, 3));
  const at::Tensor weight = p.weight();
  EXPECT_LT(weight.mean(1).abs().max().item<double>(), 1e-15);
  EXPECT_TRUE(close(weight.square().sum(1).sqrt(), 1.5 * p.masters[1].abs(), kScaledTolerance));
}

TEST(ScaledWeightStandardization, StartsWithUnitRowsOrWithTheLengthsOfTheWeight) {
  const at::Tensor w = random_normal({6, 4}, 1), centred = w - w.mean(1, true);
  const Parametrized one("scaled_weight_standardization", w);
  EXPECT_TRUE(close(one.weight(), centred / centred.square().sum(1, true).sqrt(), kScaledTolerance));
  const Parametrized same("{type: scaled_weight_standardization, start: weight, activation_gain: 1.5}", w);
  EXPECT_TRUE(close(same.weight(), centred, kScaledTolerance));
}

/// dw = (c g / √(n v)) (dW - mean(dW) - z mean(dW ⊙ z)), dg = c <dW, z> / √n with z = (w - μ) / √v.
TEST(ScaledWeightStandardization, GradientsAreThoseOfTheClosedForm) {
  const at::Tensor w = random_normal({6, 4}, 1), upstream = random_normal({6, 4}, 2);
  Parametrized p("{type: scaled_weight_standardization, activation_gain: 1.5}", w);
  p.masters[1].copy_(random_normal({6}, 3));
  const at::Tensor centred = w - w.mean(1, true), std = centred.square().mean(1, true).sqrt(), z = centred / std;
  const at::Tensor c = 1.5 * p.masters[1].unsqueeze(1) / 2;  // √n = 2
  const auto grads = p.pull_back(upstream);
  EXPECT_TRUE(close(grads[0], (c / std) * (upstream - upstream.mean(1, true) - z * (upstream * z).mean(1, true)),
                    kScaledTolerance));
  EXPECT_TRUE(close(grads[1], 1.5 * (upstream * z).sum(1) / 2, kScaledTolerance));
  EXPECT_LT((grads[0] * w).sum(1).abs().max().item<double>(), 1e-14);
}

TEST(ScaledWeightStandardization, RowsOfAlmostEqualWeightsAreDividedByEps) {
  at::Tensor w = random_normal({6, 4}, 1) * 1e-4;
  const Parametrized p("scaled_weight_standardization", w);
  EXPECT_TRUE(close(p.weight(), (w - w.mean(1, true)) / 1e-2, kScaledTolerance));
}

TEST(ScaledWeightStandardization, DecaySparesTheGains) {
  const auto specs = parametrization("scaled_weight_standardization")->masters(matrix_info(6, 4));
  EXPECT_TRUE(specs[0].decays);
  EXPECT_EQ(specs[1].suffix, ".gain");
  EXPECT_FALSE(specs[1].decays);
}

}  // namespace
}  // namespace ingot::testing
