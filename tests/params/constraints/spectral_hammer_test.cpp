#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "device/numerics.h"
#include "params/constraint_trajectory.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(SpectralHammer, IsTheFormula) { check_constraint_trajectory("constraints", "spectral_hammer"); }

TEST(SpectralHammer, SetsTheTopAndLeavesTheRestAlone) {
  const at::Tensor start = 0.1 * random_normal({9, 9}, 1);
  const at::Tensor before = singular_values(start);
  ConstrainedWeight weight("spectral_hammer", start);
  const at::Tensor after = singular_values(weight.weight());
  EXPECT_NEAR(after[0].item<double>(), 1, 1e-12);
  EXPECT_TRUE(close(after.narrow(0, 1, 8), before.narrow(0, 1, 8), Tolerance::of(at::kDouble).reduction(1000)));
  EXPECT_EQ(weight.applied(0 * start).norm().item<double>(), 0);
}

}  // namespace
}  // namespace ingot::testing
