#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "device/numerics.h"
#include "params/constraint_trajectory.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(RadialBrake, IsTheFormula) {
  check_constraint_trajectory("constraints", "radial_brake");
  check_constraint_trajectory("constraints", "radial_brake_both");
}

TEST(RadialBrake, HalvesWhatPointsOutwardAlone) {
  ConstrainedWeight weight("radial_brake", random_normal({5, 4}, 1));
  const double norm = weight.weight().norm().item<double>();
  weight.step(-weight.weight(), 0.1);  // outward by a tenth
  EXPECT_NEAR(weight.weight().norm().item<double>(), 1.05 * norm, 1e-13);
  weight.step(weight.weight(), 0.1);
  EXPECT_NEAR(weight.weight().norm().item<double>(), 1.05 * 0.9 * norm, 1e-13);
  weight.step(0 * weight.weight(), 0.1, 0.2);  // decay is no update
  EXPECT_NEAR(weight.weight().norm().item<double>(), 1.05 * 0.9 * 0.8 * norm, 1e-13);
}

TEST(RadialBrake, ThePinTakesBackWhatATangentAdds) {
  const at::Tensor start = random_normal({5, 4}, 1);
  at::Tensor tangent = random_normal({5, 4}, 2);
  tangent.sub_(start * ((tangent * start).sum() / start.square().sum()));
  ConstrainedWeight pinned("radial_brake", start), free("{type: radial_brake, radius_pin: false}", start);
  pinned.step(tangent, 0.5);
  free.step(tangent, 0.5);
  EXPECT_NEAR(pinned.weight().norm().item<double>(), start.norm().item<double>(), 1e-13);
  EXPECT_TRUE(close(free.weight(), start - 0.5 * tangent, Tolerance::of(at::kDouble).reduction(20)));
  EXPECT_TRUE(free.constraint().states(free.info()).empty());
}

}  // namespace
}  // namespace ingot::testing
