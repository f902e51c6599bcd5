#include "params/init_harness.h"

namespace ingot::testing {
namespace {

TEST(Xavier, VarianceIsTwoOverTheSumOfTheFans) {
  const Matrices m;
  const auto normal = make_init("{type: xavier, distribution: normal}", 4), uniform = make_init("xavier", 4);
  EXPECT_NEAR(std_of(*normal, m.gate), std::sqrt(2.0 / (64 + 256)), 1e-15);
  EXPECT_NEAR(std_of(*normal, m.q), std::sqrt(2.0 / (64 + 64)), 1e-15);
  expect_uniform(drawn(*uniform, m.down), std::sqrt(6.0 / (64 + 256)));
  expect_uniform(drawn(*uniform, m.v), std::sqrt(6.0 / (32 + 64)));
}

TEST(Xavier, IsTheSameAtEveryDepthAndFollowsTheWidth) {
  EXPECT_EQ(make_init("xavier", 2)->text(Matrices().o), make_init("xavier", 20)->text(Matrices().o));
  EXPECT_TRUE(make_init("xavier", 2)->scales_with_width());
  EXPECT_FALSE(make_init("normal", 2)->scales_with_width());
}

}  // namespace
}  // namespace ingot::testing
