#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <cmath>

#include "device/numerics.h"
#include "params/constraint_trajectory.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(SpectralSphere, IsThePackagesDirectionWithTheRetraction) {
  check_constraint_trajectory("authors_constraints", "spectral_sphere");
  check_constraint_trajectory("authors_constraints", "spectral_sphere_wide");
}

TEST(SpectralSphere, FixesTheSpectralNormsOfWeightAndUpdate) {
  ConstrainedWeight weight("{type: spectral_sphere, radius: 2}", random_normal({9, 4}, 1));
  const double radius = 2 * std::sqrt(9.0 / 4);
  EXPECT_NEAR(singular_values(weight.weight())[0].item<double>(), radius, 1e-12);
  const at::Tensor direction = weight.step(random_normal({9, 4}, 2), 0.1);
  EXPECT_TRUE(
      close(singular_values(direction) / radius, at::ones({4}, at::kDouble), Tolerance::of(at::kDouble).chain(100)));
  EXPECT_NEAR(singular_values(weight.weight())[0].item<double>(), radius, 1e-12);
  EXPECT_EQ(weight.step(0 * direction, 0.1).norm().item<double>(), 0);
}

}  // namespace
}  // namespace ingot::testing
