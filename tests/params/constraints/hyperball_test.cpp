#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "device/numerics.h"
#include "params/constraint_trajectory.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Hyperball, IsTheReleasedHook) { check_constraint_trajectory("authors_constraints", "hyperball"); }

TEST(Hyperball, FixesBothNormsInSinglePrecision) {
  ConstrainedWeight weight("hyperball", random_normal({48, 40}, 1).to(at::kFloat));
  const double radius = weight.weight().norm().item<double>();
  for (const double size : {1e-20, 1.0, 1e15}) {
    const at::Tensor direction = weight.step((random_normal({48, 40}, 2) * size).to(at::kFloat), 0.1);
    EXPECT_NEAR(direction.norm().item<double>() / radius, 1, 1e-6);
    EXPECT_NEAR(weight.weight().norm().item<double>() / radius, 1, 1e-6);
  }
  const at::Tensor before = weight.weight().clone();
  weight.step(before * 0, 0.1);
  EXPECT_LT((weight.weight() - before).norm().item<double>() / radius, 1e-6);
}

TEST(Hyperball, RefusesWhatHasNoNormToKeep) {
  try {
    ConstrainedWeight weight("hyperball", random_normal({3, 4}, 1) * 0);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("hyperball: 'layers.0.mixer.q.weight' is zero"), std::string::npos);
  }
}

}  // namespace
}  // namespace ingot::testing
