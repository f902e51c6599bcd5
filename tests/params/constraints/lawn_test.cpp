#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>

#include "device/numerics.h"
#include "params/constraint_trajectory.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Lawn, IsTheFormula) {
  check_constraint_trajectory("constraints", "lawn");
  check_constraint_trajectory("constraints", "lawn_row");
}

TEST(Lawn, GradientsAndDirectionsAreTangent) {
  for (const char* yaml : {"lawn", "{type: lawn, per: row}"}) {
    ConstrainedWeight weight(yaml, random_normal({5, 4}, 1));
    const at::Tensor start = weight.weight().clone(), x = random_normal({5, 4}, 2);
    const at::Tensor direction = weight.step(x, 0.1), gradient = weight.changed_gradient(x);
    EXPECT_LT(std::abs((direction * start).sum().item<double>()), 1e-13);
    EXPECT_LT(std::abs((gradient * weight.weight()).sum().item<double>()), 1e-13);
    EXPECT_GT((direction - x).norm().item<double>(), 0.01);
  }
}

TEST(Lawn, ReachesTheHeadAndKeepsZerosFree) {
  ConstrainedWeight head("lawn", random_normal({5, 4}, 1) * 0, Role::kHead);
  EXPECT_TRUE(head.constraint().applies(head.info()));
  const at::Tensor direction = random_normal({5, 4}, 2);
  EXPECT_TRUE(head.step(direction, 0.5).equal(direction));
  EXPECT_TRUE(head.weight().equal(-0.5 * direction));
}

}  // namespace
}  // namespace ingot::testing
