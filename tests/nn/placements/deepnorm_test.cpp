#include "nn/placement_harness.h"

namespace ingot::testing {
namespace {

TEST(Deepnorm, ScalesTheSkipPathByAlpha) {
  const auto placement = make_placement("deepnorm", 24);  // 12 blocks
  EXPECT_EQ(sites_at(*placement, 0), Sites{"stream"});
  EXPECT_EQ(sites_at(*placement, -1), Sites{});
  EXPECT_NEAR(placement->skip_scale(0), 2.213, 5e-4);
  EXPECT_EQ(placement->skip_scale(0), placement->skip_scale(23));
  EXPECT_EQ(placement->branch_scale(5), 1);
  EXPECT_EQ(bundle_of("deepnorm").init, "deepnorm");
}

TEST(Deepnorm, SitesOnlyIsPostNorm) {
  const auto placement = make_placement("{type: deepnorm, bundle: sites_only}", 24);
  EXPECT_EQ(sites_at(*placement, 0), Sites{"stream"});
  EXPECT_EQ(placement->skip_scale(3), 1);
  EXPECT_EQ(bundle_of("{type: deepnorm, bundle: sites_only}").init, "");
}

}  // namespace
}  // namespace ingot::testing
