#include "params/init_harness.h"

namespace ingot::testing {
namespace {

TEST(Wang, IsSmallInitButWhereABranchEnds) {
  const Matrices m;
  const auto init = make_init("wang", 24);  // 12 blocks
  EXPECT_NEAR(std_of(*init, m.down), 2.0 / (12 * 8), 1e-12);
  EXPECT_NEAR(std_of(*init, m.o), 2.0 / (12 * 8), 1e-12);
  EXPECT_NEAR(std_of(*init, m.up), std::sqrt(2.0 / (5 * 64)), 1e-12);
  EXPECT_NEAR(std_of(*init, m.embedding), std::sqrt(2.0 / (5 * 64)), 1e-12);
}

}  // namespace
}  // namespace ingot::testing
