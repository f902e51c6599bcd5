#include "nn/placement_harness.h"

namespace ingot::testing {
namespace {

TEST(DepthScaledSandwich, StartsOutputGainsByTheDepth) {
  const auto placement = make_placement("depth_scaled_sandwich", 24);  // 12 blocks
  EXPECT_EQ(sites_at(*placement, 1), (Sites{"input", "output"}));
  EXPECT_EQ(sites_at(*placement, -1), Sites{"final"});
  EXPECT_NEAR(placement->gain_start(Site::kOutput, 4), 0.082, 5e-4);
  EXPECT_NEAR(placement->gain_start(Site::kOutput, 5), 0.125, 5e-4);
  EXPECT_EQ(placement->gain_start(Site::kInput, 4), 1);
  EXPECT_EQ(bundle_of("depth_scaled_sandwich").init, "tiny_init");
}

TEST(DepthScaledSandwich, SitesOnlyIsSandwich) {
  const auto placement = make_placement("{type: depth_scaled_sandwich, bundle: sites_only}");
  EXPECT_EQ(placement->gain_start(Site::kOutput, 1), 1);
  EXPECT_EQ(sites_at(*placement, 1), (Sites{"input", "output"}));
}

}  // namespace
}  // namespace ingot::testing
