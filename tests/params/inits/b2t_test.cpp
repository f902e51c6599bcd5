#include "params/init_harness.h"

namespace ingot::testing {
namespace {

TEST(B2tInit, IsTheReleasesOverTheRootOfTheBlocks) {
  const Matrices m;
  const auto init = make_init("b2t", 24);  // 12 blocks
  const double shrink = 1 / std::sqrt(12.0);
  expect_uniform(drawn(*init, m.o), shrink * std::sqrt(6.0 / 128));
  expect_uniform(drawn(*init, m.q), shrink * std::sqrt(3.0 / 128));
  expect_uniform(drawn(*init, m.v), shrink * std::sqrt(3.0 / 96));
  expect_uniform(drawn(*init, m.up), shrink / 8);
  expect_uniform(drawn(*init, m.down), shrink / 16);
  EXPECT_NEAR(std_of(*init, m.embedding), 1.0 / 8, 1e-12);
  EXPECT_TRUE(init->scales_with_depth());
}

}  // namespace
}  // namespace ingot::testing
