#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "nn/norms/fixture.h"

namespace ingot::testing {
namespace {

TEST(Dyt, MatchesGolden) {
  expect_norm_golden("dyt", "dyt");
  expect_norm_golden("{type: dyt, bias: true}", "dyt_bias");
}

TEST(Dyt, IsNearLinearForSmallRowsAndFlatForLargeOnes) {
  NormFixture f("{type: dyt, alpha: 0.5}");
  f.start();
  const at::Tensor x = 1e-4 * normal_rows();
  // tanh(u) = u - u³/3 + …, with |u| below 2e-4.
  EXPECT_LT(relative_error(f(x), 0.5 * x), 1e-7);
  EXPECT_GT(relative_error(f(x), 0.5 * x), 1e-10);
  EXPECT_LE(f(1e4 * normal_rows()).abs().max().item<double>(), 1);
}

TEST(Dyt, FeelsScale) {
  EXPECT_GT(relative_error(NormFixture("dyt")(3 * normal_rows()), NormFixture("dyt")(normal_rows())), 0.1);
}

TEST(Dyt, StartsAtAlpha) {
  NormFixture f("{type: dyt, alpha: 0.8}");
  f.start();
  EXPECT_FLOAT_EQ(f.harness->params().at("alpha").item<double>(), 0.8);
  EXPECT_EQ(f.harness->num_parameters(), kModel + 1);  // no bias unless asked for
}

}  // namespace
}  // namespace ingot::testing
