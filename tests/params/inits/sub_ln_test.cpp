#include "params/init_harness.h"

namespace ingot::testing {
namespace {

TEST(SubLnInit, GrowsWithTheLogarithmOfTheDepthWhereValuesPass) {
  const Matrices m;
  const auto init = make_init("sub_ln", 24);  // 12 layers: sqrt(ln 24)
  const auto gain = [](const Init& of, const ParamInfo& info) {
    return std_of(of, info) / std::sqrt(2.0 / static_cast<double>(info.fan_in + info.fan_out));
  };
  for (const auto* info : {&m.v, &m.o, &m.gate, &m.up, &m.down}) {
    EXPECT_NEAR(gain(*init, *info), 1.7827097, 1e-6) << info->part;
  }
  EXPECT_NEAR(gain(*init, m.q), 1, 1e-12);
  EXPECT_NEAR(std_of(*init, m.embedding), 1.0 / 8, 1e-12);
  EXPECT_GT(gain(*make_init("sub_ln", 1), m.o), 0.8);  // never 0
  EXPECT_FALSE(init->scales_with_depth());
}

}  // namespace
}  // namespace ingot::testing
