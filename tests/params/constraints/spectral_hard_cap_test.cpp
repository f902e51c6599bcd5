#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "device/numerics.h"
#include "params/constraint_trajectory.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(SpectralHardCap, IsTheFormula) { check_constraint_trajectory("constraints", "spectral_hard_cap"); }

TEST(SpectralHardCap, CapsAllAndMovesNothingBelow) {
  const at::Tensor start = random_normal({7, 12}, 1).to(at::kFloat) * 0.3;
  ConstrainedWeight weight("spectral_hard_cap", start);
  const double bound = std::sqrt(7.0 / 12);
  const at::Tensor expected = singular_values(start.to(at::kDouble)).clamp_max(bound);
  EXPECT_TRUE(close(singular_values(weight.weight().to(at::kDouble)).to(at::kFloat), expected,
                    Tolerance::of(at::kFloat).reduction(84)));
  const at::Tensor small = 1e-2 * start;
  EXPECT_TRUE(weight.applied(small).equal(small));
}

/// Values of the published polynomials, and the size that they are defined for.
TEST(SpectralHardCap, ThePolynomialIsTheAuthors) {
  at::Tensor diagonal = at::zeros({6, 6}, at::kDouble);
  const std::vector<double> values = {0.5, 0.8, 1.0, 1.2, 2.0, 3.0},
                            capped = {0.498, 0.813, 0.966, 1.011, 1.002, 1.001};
  for (std::int64_t i = 0; i < 6; ++i) diagonal[i][i] = values[static_cast<std::size_t>(i)];
  const ConstrainedWeight weight("{type: spectral_hard_cap, method: polynomial}", diagonal);
  for (std::int64_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(weight.weight()[i][i].item<double>(), capped[static_cast<std::size_t>(i)], 6e-4) << i;
  }
  const ConstrainedWeight large("{type: spectral_hard_cap, method: polynomial}", 100 * diagonal);
  EXPECT_LT(singular_values(large.weight())[0].item<double>(), 1.02);
}

}  // namespace
}  // namespace ingot::testing
