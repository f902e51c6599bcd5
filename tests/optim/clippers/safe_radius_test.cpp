// Shares and bounds alone; that the spread is that of the step's logits, tests/train/step_probe_test.cpp shows.

#include <gtest/gtest.h>

#include <numbers>

#include "base/error.h"
#include "optim/bench.h"

namespace ingot::testing {
namespace {

std::unique_ptr<Clipper> make_safe_radius(const std::string& yaml) {
  const auto clipper = read_clipper(yaml);
  return clipper.entry().make(clipper.settings());
}

TEST(SafeRadius, TakesStepsUpToTheRadiusWhole) {
  const auto clipper = make_safe_radius("{type: safe_radius, radius: 0.5}");
  EXPECT_EQ(clipper->share(0), 1);
  EXPECT_EQ(clipper->share(std::numbers::pi / 2), 1);
  EXPECT_DOUBLE_EQ(clipper->share(2 * std::numbers::pi), 0.25);
  EXPECT_EQ(make_safe_radius("{type: safe_radius, tokens: 7}")->probe().tokens, 7);
}

TEST(SafeRadius, BoundsTheNormOfGradientsUnlessItIsToldNotTo) {
  EXPECT_DOUBLE_EQ(make_safe_radius("safe_radius")->factor({4}), 1 / (4 + 1e-6));
  EXPECT_EQ(make_safe_radius("{type: safe_radius, max_norm: null}")->factor({4}), 1);
}

TEST(SafeRadius, RefusesARadiusOfZero) { EXPECT_THROW(read_clipper("{type: safe_radius, radius: 0}"), ConfigError); }

}  // namespace
}  // namespace ingot::testing
