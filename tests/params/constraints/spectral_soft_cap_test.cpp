#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "device/numerics.h"
#include "params/constraint_trajectory.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(SpectralSoftCap, IsTheFormulaAndTheReleasedOne) {
  check_constraint_trajectory("constraints", "spectral_soft_cap");
  check_constraint_trajectory("authors_constraints", "spectral_soft_cap");
}

/// A weight within the bound, after an update whose singular values are at most the learning rate.
TEST(SpectralSoftCap, TheUpdateBoundHoldsTheBound) {
  at::Tensor start = random_normal({6, 6}, 1);
  start.div_(singular_values(start)[0]);
  ConstrainedWeight weight("{type: spectral_soft_cap, strength: update_bound, update_norm: 1}", start);
  EXPECT_TRUE(close(weight.weight(), start, Tolerance::of(at::kDouble)));  // no update, no cap
  at::Tensor direction = random_normal({6, 6}, 2);
  direction.div_(singular_values(direction)[0]);
  for (int i = 0; i < 50; ++i) weight.step(direction, 0.1, 0.01);
  const double top = singular_values(weight.weight())[0].item<double>();
  EXPECT_LT(top, 1 + 1e-12);
  EXPECT_GT(top, 0.99);
}

TEST(SpectralSoftCap, BringsAnyMatrixToTheBound) {
  for (const double size : {0.01, 0.3, 1.0, 50.0}) {
    const at::Tensor start = size * random_normal({12, 5}, 1);
    const double before = singular_values(start)[0].item<double>(), bound = std::sqrt(12.0 / 5);
    const ConstrainedWeight weight("spectral_soft_cap", start);
    EXPECT_NEAR(singular_values(weight.weight())[0].item<double>(), std::min(before, bound), 1e-12) << size;
  }
}

}  // namespace
}  // namespace ingot::testing
