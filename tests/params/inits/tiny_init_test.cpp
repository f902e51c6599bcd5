#include "params/init_harness.h"

namespace ingot::testing {
namespace {

TEST(TinyInit, FallsWithWidthAndBlocks) {
  const Matrices m;
  // 12 blocks of width 768: 0.00737.
  ParamInfo wide = matrix_info("q", Role::kReadsStream, 8, 768, 1);
  EXPECT_NEAR(std_of(*make_init("tiny_init", 24), wide), 0.00737, 5e-6);
  const auto init = make_init("tiny_init", 24);
  EXPECT_NEAR(std_of(*init, m.down), std::sqrt(1.0 / (2 * 64 * 12)), 1e-12);
  EXPECT_NEAR(std_of(*init, m.embedding), 0.5, 1e-12);
  const auto tied = matrix_info("", {Role::kEmbedding, Role::kHead}, 1000, 64, 1);
  EXPECT_NEAR(std_of(*init, tied), std_of(*init, m.down), 1e-12);
}

}  // namespace
}  // namespace ingot::testing
