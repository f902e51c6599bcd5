#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "device/numerics.h"
#include "params/constraint_trajectory.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(RelativeUpdateFloor, IsTheFormulaAndTheReleasedHookWhereItActs) {
  check_constraint_trajectory("constraints", "relative_update_floor");
  check_constraint_trajectory("constraints", "relative_update_floor_row");
  check_constraint_trajectory("authors_constraints", "relative_update");
}

TEST(RelativeUpdateFloor, LeavesLargeAndZeroDirectionsAlone) {
  ConstrainedWeight weight("relative_update_floor", random_normal({5, 4}, 1));
  const at::Tensor large = random_normal({5, 4}, 2) * 9;
  EXPECT_TRUE(weight.step(large, 0).equal(large));
  EXPECT_TRUE(weight.step(0 * large, 0).equal(0 * large));
  const at::Tensor lifted = weight.step(1e-3 * large, 0);
  EXPECT_NEAR(lifted.norm().item<double>(), 0.35 * weight.weight().norm().item<double>(), 1e-13);
}

}  // namespace
}  // namespace ingot::testing
