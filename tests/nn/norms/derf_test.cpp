#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include "nn/norms/fixture.h"

namespace ingot::testing {
namespace {

TEST(Derf, MatchesGolden) { expect_norm_golden("derf", "derf"); }

TEST(Derf, StartsNearLinearForSmallRows) {
  NormFixture f("derf");
  f.start();
  const at::Tensor x = 1e-4 * normal_rows();
  EXPECT_LT(relative_error(f(x), 2 / std::sqrt(std::acos(-1.0)) * x), 1e-7);  // erf'(0) = 2/sqrt(pi), alpha 1, shift 0
}

TEST(Derf, ShiftsInside) {
  NormFixture f("derf");
  f.start();
  const at::NoGradGuard no_grad;
  for (const Master& master : f.harness->store().masters()) {
    if (master.name == "m.shift") master.value.fill_(-2);
  }
  const at::Tensor x = at::full({1, kModel}, 2.0, at::kDouble);
  EXPECT_TRUE(same_bits(f(x), at::zeros_like(x)));
}

}  // namespace
}  // namespace ingot::testing
