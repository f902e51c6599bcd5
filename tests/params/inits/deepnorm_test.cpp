#include "params/init_harness.h"

namespace ingot::testing {
namespace {

TEST(DeepnormInit, GivesAGainToValuesOutputsAndTheFfnAlone) {
  const Matrices m;
  const auto init = make_init("deepnorm", 24);  // 12 blocks
  const auto gain = [&](const ParamInfo& info) {
    return std_of(*init, info) / std::sqrt(2.0 / static_cast<double>(info.fan_in + info.fan_out));
  };
  EXPECT_NEAR(gain(m.q), 1, 1e-12);
  EXPECT_NEAR(gain(matrix_info("k", Role::kReadsStream, 64, 64, 1)), 1, 1e-12);
  for (const auto* info : {&m.v, &m.o, &m.gate, &m.up, &m.down}) EXPECT_NEAR(gain(*info), 0.3195, 5e-5) << info->part;
}

}  // namespace
}  // namespace ingot::testing
