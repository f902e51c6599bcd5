#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "nn/norms/fixture.h"

namespace ingot::testing {
namespace {

TEST(ElementwiseLayerNorm, MatchesGolden) { expect_norm_golden("elementwise_layer_norm", "elementwise_layer_norm"); }

TEST(ElementwiseLayerNorm, StaysBelowRootD) {
  NormFixture f("elementwise_layer_norm");
  f.start();
  const double largest = f(1e9 * normal_rows()).abs().max().item<double>();
  EXPECT_LE(largest, std::sqrt(32.0) * (1 + 1e-15));
  EXPECT_GT(largest, std::sqrt(32.0) * (1 - 1e-6));
}

TEST(ElementwiseLayerNorm, StartsAsDivisionByTheExpectedDeviation) {
  NormFixture f("{type: elementwise_layer_norm, variance: 4}");
  f.start();
  const at::Tensor x = 1e-3 * normal_rows();
  // sqrt(d) x / sqrt(4 d + x²): log beta is kept in fp64 here.
  EXPECT_LT(relative_error(f(x), x / 2), 1e-6);
}

}  // namespace
}  // namespace ingot::testing
