#include "params/init_harness.h"

namespace ingot::testing {
namespace {

TEST(ZeroOutputs, ZeroesWhatWritesTheStreamAndLeavesTheRest) {
  const Matrices m;
  const auto init = make_init("{type: zero_outputs, inner: {type: gpt2, std: 0.1}}", 16);
  EXPECT_EQ(std_of(*init, m.o), 0);
  EXPECT_EQ(std_of(*init, m.down), 0);
  for (const auto* info : {&m.q, &m.up, &m.embedding}) EXPECT_NEAR(std_of(*init, *info), 0.1, 1e-12);
  EXPECT_FALSE(init->scales_with_depth());
  EXPECT_TRUE(make_init("{type: zero_outputs, inner: xavier}", 16)->scales_with_width());
}

TEST(ZeroOutputs, ZeroesTheHeadOnRequestUnlessItIsTheEmbedding) {
  const auto head = matrix_info("", Role::kHead, 1000, 64, 1);
  const auto tied = matrix_info("", {Role::kEmbedding, Role::kHead}, 1000, 64, 1);
  const auto init = make_init("{type: zero_outputs, head: true}", 16), plain = make_init("zero_outputs", 16);
  EXPECT_EQ(std_of(*init, head), 0);
  EXPECT_NEAR(std_of(*init, tied), 0.02, 1e-12);
  EXPECT_NEAR(std_of(*plain, head), 0.02, 1e-12);
}

}  // namespace
}  // namespace ingot::testing
