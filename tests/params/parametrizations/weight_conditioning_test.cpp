#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/linspace.h>
#include <gtest/gtest.h>

#include "params/masters.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(WeightConditioning, RowsHaveUnitLengthAndTheGapBetweenSingularValuesNarrows) {
  // Rows of lengths 0.1 to 10.
  const at::Tensor w = random_normal({6, 8}, 1) * at::linspace(-1, 1, 6, at::kDouble).unsqueeze(1) * 10;
  const Parametrized p("weight_conditioning", w);
  const at::Tensor weight = p.weight();
  EXPECT_TRUE(close(weight, w / w.square().sum(1, true).sqrt(), Tolerance::of(at::kDouble).reduction(8)));
  const auto condition = [](const at::Tensor& x) {
    const at::Tensor s = at::linalg_svdvals(x);
    return (s[0] / s[5]).item<double>();
  };
  EXPECT_LT(condition(weight), condition(w));
}

TEST(WeightConditioning, GradientIsThatOfWeightNormWithUnitLengths) {
  const at::Tensor w = random_normal({6, 4}, 1), upstream = random_normal({6, 4}, 2);
  const Parametrized p("weight_conditioning", w);
  Parametrized norm("weight_norm", w);
  norm.masters[0].fill_(1);
  EXPECT_TRUE(close(p.pull_back(upstream)[0], norm.pull_back(upstream)[1], Tolerance::of(at::kDouble).reduction(4)));
}

TEST(WeightConditioning, DetachedLengthsAreConstants) {
  const at::Tensor w = random_normal({6, 4}, 1), upstream = random_normal({6, 4}, 2);
  const Parametrized p("{type: weight_conditioning, detach: true}", w), attached("weight_conditioning", w);
  EXPECT_TRUE(same_bits(p.weight(), attached.weight()));
  const at::Tensor lengths = w.square().sum(1, true).sqrt();
  EXPECT_TRUE(close(p.pull_back(upstream)[0], upstream / lengths, Tolerance::of(at::kDouble).reduction(4)));
  EXPECT_FALSE(p.p->has_exact_gradient());
}

}  // namespace
}  // namespace ingot::testing
