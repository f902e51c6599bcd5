#include "params/init_harness.h"

namespace ingot::testing {
namespace {

/// The released code in numbers: encoder layers 16, d 64, xavier_uniform_ as fairseq calls it.
TEST(TFixup, HasTheFactorsOfTheReleasedEncoder) {
  const Matrices m;
  const auto init = make_init("t_fixup", 32);
  const double factor = 0.67 / 2;  // 16^-1/4 = 1/2
  expect_uniform(drawn(*init, m.o), factor * std::sqrt(6.0 / 128));
  expect_uniform(drawn(*init, m.v), factor * std::sqrt(6.0 / 96));
  expect_uniform(drawn(*init, m.down), factor * std::sqrt(6.0 / 320));
  expect_uniform(drawn(*init, m.q), std::sqrt(3.0 / 128));
  const double table = 1 / (8 * std::sqrt(std::sqrt(9.0 * 16)));
  EXPECT_NEAR(std_of(*init, m.embedding), table, 1e-12);
  EXPECT_NEAR(std_of(*init, matrix_info("", {Role::kEmbedding, Role::kHead}, 1000, 64, 1)), table, 1e-12);
  EXPECT_NEAR(std_of(*init, matrix_info("", Role::kHead, 1000, 64, 1)), 1.0 / 8, 1e-12);
  EXPECT_TRUE(weight_families().get<InitEntry>().at("t_fixup").scales_embedding);
}

}  // namespace
}  // namespace ingot::testing
