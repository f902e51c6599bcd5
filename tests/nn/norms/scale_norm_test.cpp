#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include "nn/norms/fixture.h"

namespace ingot::testing {
namespace {

TEST(ScaleNorm, MatchesGolden) {
  expect_norm_golden("scale_norm", "scale_norm");
  expect_norm_golden("{type: scale_norm, eps: 2}", "scale_norm_floor");
}

TEST(ScaleNorm, StartsAtRootD) {
  NormFixture f("scale_norm");
  f.start();
  EXPECT_EQ(f.harness->num_parameters(), 1);
  EXPECT_FLOAT_EQ(f.harness->params().at("gain").item<double>(), std::sqrt(32.0));
  // So it starts as SimpleRMSNorm, but for where eps is.
  EXPECT_TRUE(close(f(long_rows()), NormFixture("simple_rms_norm")(long_rows()), row_tolerance()));
}

TEST(ScaleNorm, ZerosStayZeros) {
  const NormFixture f("scale_norm");
  const at::Tensor x = at::zeros({2, kModel}, at::kDouble).requires_grad_(true);
  const at::Tensor y = f(x);
  EXPECT_TRUE(same_bits(y.detach(), at::zeros_like(y)));
  y.sum().backward();
  EXPECT_TRUE(x.grad().isfinite().all().item<bool>());
}

}  // namespace
}  // namespace ingot::testing
