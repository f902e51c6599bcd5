#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "device/numerics.h"
#include "params/constraint_trajectory.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(SpectralNormalize, IsTheFormula) { check_constraint_trajectory("constraints", "spectral_normalize"); }

TEST(SpectralNormalize, BoundsTheTopExactlyAndLeavesSmallOnesAlone) {
  // 40 x 10: a unit of 2. Singular values close to each other are the hard case for an iteration.
  at::Tensor large = random_normal({40, 10}, 1).to(at::kFloat);
  ConstrainedWeight weight("{type: spectral_normalize, bound: 0.25}", large);
  EXPECT_NEAR(singular_values(weight.weight().to(at::kDouble))[0].item<double>(), 0.5, 1e-6);
  EXPECT_TRUE(close(weight.weight() / weight.weight().norm(), large / large.norm(), Tolerance::of(at::kFloat)));
  const at::Tensor small = 1e-3 * large;
  EXPECT_TRUE(weight.applied(small).equal(small));
}

}  // namespace
}  // namespace ingot::testing
