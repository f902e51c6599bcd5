#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "device/numerics.h"
#include "params/constraint_trajectory.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(NormalizeAndProject, IsTheFormula) { check_constraint_trajectory("constraints", "normalize_and_project"); }

TEST(NormalizeAndProject, GainsKeepTheirNormToo) {
  ConstrainedWeight gain("normalize_and_project", random_normal({8}, 1), Role::kGain);
  const double before = gain.weight().norm().item<double>();
  gain.step(random_normal({8}, 2), 0.3);
  EXPECT_NEAR(gain.weight().norm().item<double>(), before, 1e-14 * before);
  EXPECT_TRUE(gain.constraint().applies(gain.info()));
  EXPECT_EQ(gain.constraint().granularity(gain.info()), Granularity::kMatrix);
}

TEST(NormalizeAndProject, LeavesWhatReachesTheLossAloneAndGainsIfAsked) {
  const at::Tensor matrix = random_normal({4, 3}, 1), vector = random_normal({4}, 1);
  for (const Role role : {Role::kHead, Role::kEmbedding, Role::kConv}) {
    ConstrainedWeight weight("normalize_and_project", matrix, role);
    EXPECT_FALSE(weight.constraint().applies(weight.info()));
  }
  ConstrainedWeight bias("normalize_and_project", vector, Role::kBias);
  EXPECT_FALSE(bias.constraint().applies(bias.info()));
  ConstrainedWeight gain("{type: normalize_and_project, gains: false}", vector, Role::kGain);
  EXPECT_FALSE(gain.constraint().applies(gain.info()));
}

}  // namespace
}  // namespace ingot::testing
