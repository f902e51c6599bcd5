#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include "nn/norms/fixture.h"

namespace ingot::testing {
namespace {

TEST(LpNorm, MatchesGolden) {
  expect_norm_golden("{type: lp_norm, centre: false, match_std: false}", "lp_norm");
  expect_norm_golden("{type: lp_norm, bias: true}", "lp_norm_l1_centred");
  expect_norm_golden("{type: lp_norm, p: 3, eps: 1e-2}", "lp_norm_p3");
}

TEST(LpNorm, OfTwoIsRmsNorm) {
  const NormFixture lp("{type: lp_norm, p: 2, centre: false, match_std: false, eps: 1e-8}"),
      rms("{type: rms_norm, eps_mode: outside, eps: 1e-8}");
  EXPECT_TRUE(close(lp(normal_rows()), rms(normal_rows()), row_tolerance()));
}

TEST(LpNorm, OfTwoCentredIsLayerNorm) {
  const NormFixture lp("{type: lp_norm, p: 2, bias: true}"), layer("layer_norm");
  const at::Tensor x = long_rows() + 3e9;
  EXPECT_TRUE(close(lp(x), layer(x), row_tolerance()));
}

TEST(LpNorm, MatchesTheDeviationOfNormalRows) {
  for (const char* p : {"1", "1.5", "4"}) {
    const std::string keys = std::string("{type: lp_norm, p: ") + p + "}";
    NormFixture f(keys, at::kDouble, 4096);
    f.start();
    const double rms = f(5 * random_normal({16, 4096}, 2)).square().mean().sqrt().item<double>();
    EXPECT_NEAR(rms, 1, 0.02) << p;  // 65536 numbers: a deviation of 0.3 % or so
  }
}

TEST(LpNorm, ConstantRowsHaveAGradient) {
  const NormFixture f("{type: lp_norm, eps: 1}");
  const at::Tensor x = at::ones({2, kModel}, at::kDouble).requires_grad_(true);
  f(x).square().sum().backward();
  EXPECT_TRUE(x.grad().isfinite().all().item<bool>());
}

}  // namespace
}  // namespace ingot::testing
