#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "nn/norms/fixture.h"

namespace ingot::testing {
namespace {

TEST(Bhyt, MatchesGolden) { expect_norm_golden("bhyt", "bhyt"); }

TEST(Bhyt, IsNearlyRmsNormTimesLambdaOverKappa) {
  NormFixture f("{type: bhyt, lambda: 0.01}"), rms("rms_norm");
  f.start(), rms.start();
  // |u| is below 4e-3, so tanh(u) is u within u²/3.
  EXPECT_LT(relative_error(f(normal_rows()), 1e-3 * rms(normal_rows())), 1e-5);
  EXPECT_TRUE(ignores_scale(f));
}

}  // namespace
}  // namespace ingot::testing
