#include "params/init_harness.h"

namespace ingot::testing {
namespace {

TEST(SmallInit, IsXavierForAnFfnOfFourTimesTheWidth) {
  const Matrices m;
  const auto init = make_init("small_init", 16);
  const double expected = std::sqrt(2.0 / (5 * 64));
  for (const auto* info : {&m.q, &m.v, &m.o, &m.gate, &m.down}) {
    EXPECT_NEAR(std_of(*init, *info), expected, 1e-12) << info->part;
  }
  EXPECT_NEAR(std_of(*init, m.embedding), 1.0 / 8, 1e-12);
  EXPECT_FALSE(init->scales_with_depth());
}

TEST(SmallInit, DividesOutputsByTheRootOfTheDepthOnRequest) {
  const Matrices m;
  const auto init = make_init("{type: small_init, depth_scaled: true}", 16);
  EXPECT_NEAR(std_of(*init, m.o), std::sqrt(2.0 / (5 * 64)) / 4, 1e-12);
  EXPECT_NEAR(std_of(*init, m.q), std::sqrt(2.0 / (5 * 64)), 1e-12);
  EXPECT_TRUE(init->scales_with_depth());
}

}  // namespace
}  // namespace ingot::testing
