#include <ATen/TensorOperators.h>
#include <ATen/ops/full_like.h>
#include <gtest/gtest.h>

#include "nn/norms/fixture.h"

namespace ingot::testing {
namespace {

TEST(SimpleRmsNorm, MatchesGolden) { expect_norm_golden("simple_rms_norm", "simple_rms_norm"); }

TEST(SimpleRmsNorm, GivesRowsTheLengthRootD) {
  const NormFixture f("simple_rms_norm");
  const at::Tensor length = f(long_rows()).square().sum(-1);
  EXPECT_TRUE(close(length, at::full_like(length, kModel), row_tolerance()));
  EXPECT_TRUE(ignores_scale(f));
}

}  // namespace
}  // namespace ingot::testing
