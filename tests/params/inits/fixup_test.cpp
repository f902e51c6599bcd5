#include "params/init_harness.h"

namespace ingot::testing {
namespace {

TEST(FixupInit, EndsBranchesAtZeroAndScalesTheRest) {
  const Matrices m;
  const auto init = make_init("fixup", 64);
  const auto factor = [&](const ParamInfo& info) {
    return std_of(*init, info) / std::sqrt(2.0 / static_cast<double>(info.fan_in + info.fan_out));
  };
  EXPECT_EQ(factor(m.o), 0);
  EXPECT_EQ(factor(m.down), 0);
  EXPECT_NEAR(factor(m.q), 0.5, 1e-12);     // 64^-1/6
  EXPECT_NEAR(factor(m.up), 0.125, 1e-12);  // 64^-1/2
  EXPECT_NEAR(factor(m.gate), 1, 1e-12);
  EXPECT_EQ(std_of(*init, matrix_info("", Role::kHead, 1000, 64, 1)), 0);
  EXPECT_EQ(std_of(*init, matrix_info("", {Role::kEmbedding, Role::kHead}, 1000, 64, 1)), 0.125);
}

}  // namespace
}  // namespace ingot::testing
