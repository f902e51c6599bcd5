#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "nn/norms/fixture.h"

namespace ingot::testing {
namespace {

TEST(PartialRmsNorm, MatchesGolden) {
  expect_norm_golden("{type: partial_rms_norm, fraction: 0.25}", "partial_rms_norm");
}

TEST(PartialRmsNorm, OfAllChannelsIsRmsNorm) {
  const NormFixture partial("{type: partial_rms_norm, fraction: 1}"),
      whole("{type: rms_norm, eps_mode: outside, eps: 1e-8}");
  EXPECT_TRUE(close(partial(normal_rows()), whole(normal_rows()), row_tolerance()));
}

TEST(PartialRmsNorm, LooksAtTheFirstChannelsOnly) {
  const NormFixture f("partial_rms_norm");  // 2 of 32
  const at::Tensor x = normal_rows(), later = x.clone(), first = x.clone();
  later.narrow(-1, 2, kModel - 2).mul_(5);
  EXPECT_TRUE(same_bits(f(later).narrow(-1, 0, 2).contiguous(), f(x).narrow(-1, 0, 2).contiguous()));
  first.narrow(-1, 0, 2).mul_(5);
  EXPECT_FALSE(close(f(first).narrow(-1, 2, 3), f(x).narrow(-1, 2, 3), row_tolerance()));
  EXPECT_TRUE(ignores_scale(f));
}

TEST(PartialRmsNorm, KeepsAChannelWhereTheFractionIsSmall) {
  const NormFixture f("{type: partial_rms_norm, fraction: 0.001}");
  const at::Tensor y = f(long_rows()).select(-1, 0).abs();
  EXPECT_TRUE(close(y, f.harness->params().at("gain")[0].abs().expand_as(y), row_tolerance()));
}

TEST(PartialRmsNorm, ZerosHaveAGradient) {
  const NormFixture f("{type: partial_rms_norm, eps: 0.5}");
  const at::Tensor x = at::zeros({2, kModel}, at::kDouble).requires_grad_(true);
  f(x).sum().backward();
  EXPECT_TRUE(close(x.grad()[0], 2 * f.harness->params().at("gain"), row_tolerance()));
}

}  // namespace
}  // namespace ingot::testing
