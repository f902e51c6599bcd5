#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "nn/norms/fixture.h"

namespace ingot::testing {
namespace {

TEST(CrmsNorm, MatchesGolden) { expect_norm_golden("crms_norm", "crms_norm"); }

TEST(CrmsNorm, HasNothingToLearn) { EXPECT_EQ(NormFixture("crms_norm").harness->num_parameters(), 0); }

TEST(CrmsNorm, IsNotRmsNormOfWhatIsLeft) {
  const NormFixture crms("{type: crms_norm, eps: 1e-6}"), rms("simple_rms_norm");
  EXPECT_GT(relative_error(crms(normal_rows()), rms(normal_rows())), 0.01);
  EXPECT_TRUE(ignores_scale(crms));
}

}  // namespace
}  // namespace ingot::testing
