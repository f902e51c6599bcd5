#include <cmath>

#include "nn/placement_harness.h"

namespace ingot::testing {
namespace {

TEST(LayernormScaling, DividesByTheRootOfTheBlock) {
  const auto placement = make_placement("layernorm_scaling");
  EXPECT_EQ(sites_at(*placement, 3), Sites{"input"});
  EXPECT_EQ(sites_at(*placement, -1), Sites{"final"});
  EXPECT_EQ(placement->input_scale(0), 1);
  EXPECT_EQ(placement->input_scale(1), 1);
  EXPECT_DOUBLE_EQ(placement->input_scale(2), 1 / std::sqrt(2.0));
  EXPECT_DOUBLE_EQ(placement->input_scale(6), 0.5);
}

}  // namespace
}  // namespace ingot::testing
