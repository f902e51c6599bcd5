#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "nn/norms/fixture.h"

namespace ingot::testing {
namespace {

TEST(AdaRmsNorm, MatchesGolden) { expect_norm_golden("ada_rms_norm", "ada_rms_norm"); }

TEST(AdaRmsNorm, CanGiveBackTheSizeOfX) {
  // alpha 1 and beta 0: the second root is that of x itself, so that y = x.
  NormFixture f("ada_rms_norm");
  const at::NoGradGuard no_grad;
  for (const Master& master : f.harness->store().masters()) master.value.fill_(master.name == "m.alpha" ? 1 : 0);
  EXPECT_TRUE(close(f(normal_rows()), normal_rows(), row_tolerance()));
}

}  // namespace
}  // namespace ingot::testing
