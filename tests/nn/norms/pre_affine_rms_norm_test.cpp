#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "nn/norms/fixture.h"

namespace ingot::testing {
namespace {

TEST(PreAffineRmsNorm, MatchesGolden) { expect_norm_golden("pre_affine_rms_norm", "pre_affine_rms_norm"); }

TEST(PreAffineRmsNorm, TheFirstGainChangesTheStatistic) {
  NormFixture f("pre_affine_rms_norm"), rms("rms_norm");
  f.start(), rms.start();
  const at::NoGradGuard no_grad;
  for (const Master& master : f.harness->store().masters()) {
    if (master.name == "m.pre_gain") master.value[0].fill_(0);  // takes an outlier channel out of the statistic
  }
  at::Tensor x = normal_rows(), without = x.clone();
  x.select(-1, 0).fill_(1000);
  without.select(-1, 0).fill_(0);
  EXPECT_TRUE(close(f(x), rms(without), row_tolerance()));
}

}  // namespace
}  // namespace ingot::testing
