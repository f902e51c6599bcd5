#include "nn/placement_harness.h"

namespace ingot::testing {
namespace {

TEST(ResidualDualPlacement, NormsTheStreamAndTheSum) {
  const auto placement = make_placement("residual_dual");
  EXPECT_EQ(sites_at(*placement, 1), Sites{"stream"});
  EXPECT_EQ(sites_at(*placement, -1), Sites{"final"});
  EXPECT_EQ(bundle_of("residual_dual").residual, "residual_dual");
}

}  // namespace
}  // namespace ingot::testing
