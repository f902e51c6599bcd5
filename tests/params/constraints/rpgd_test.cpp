#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "device/numerics.h"
#include "params/constraint_trajectory.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Rpgd, IsTheFormula) {
  check_constraint_trajectory("constraints", "rpgd");
  check_constraint_trajectory("constraints", "rpgd_slow");
}

TEST(Rpgd, ALengthThatFallsBelowZeroTurnsTheRowRound) {
  const at::Tensor start = random_normal({3, 4}, 1);
  ConstrainedWeight weight("{type: rpgd, scale_lr: 1e6}", start);
  const at::Tensor rows = start.square().sum(1, true).sqrt();
  weight.step(start / rows, 1e-3);  // g' = g - 1000, u' = u
  EXPECT_TRUE(close(weight.weight(), start / rows * (rows - 1000), Tolerance::of(at::kDouble).reduction(100)));
  EXPECT_TRUE(weight.state(0).gt(0).all().item<bool>());
}

TEST(Rpgd, RateZeroKeepsWeightsAndZeroRowsStayFree) {
  at::Tensor start = random_normal({3, 4}, 1);
  start[1].zero_();
  ConstrainedWeight weight("rpgd", start);
  const at::Tensor direction = random_normal({3, 4}, 2);
  weight.step(direction, 0);
  EXPECT_TRUE(close(weight.weight(), start, Tolerance::of(at::kDouble)));
  weight.step(direction, 0.5);
  EXPECT_TRUE(weight.weight()[1].equal(-0.5 * direction[1]));
}

}  // namespace
}  // namespace ingot::testing
