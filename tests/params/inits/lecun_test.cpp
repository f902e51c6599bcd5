#include "params/init_harness.h"

namespace ingot::testing {
namespace {

TEST(Lecun, VarianceIsOneOverTheInputs) {
  const Matrices m;
  const auto normal = make_init("lecun", 4), uniform = make_init("{type: lecun, distribution: uniform}", 4);
  EXPECT_NEAR(std_of(*normal, m.gate), 1.0 / 8, 1e-15);
  EXPECT_NEAR(std_of(*normal, m.down), 1.0 / 16, 1e-15);
  EXPECT_NEAR(std_of(*normal, m.embedding), 1.0 / 8, 1e-15);
  expect_uniform(drawn(*uniform, m.down), std::sqrt(3.0) / 16);
  EXPECT_TRUE(normal->scales_with_width());
}

}  // namespace
}  // namespace ingot::testing
