#include "nn/placement_harness.h"

namespace ingot::testing {
namespace {

TEST(B2t, IsPostNormWithItsResidualRule) {
  const auto placement = make_placement("b2t");
  EXPECT_EQ(sites_at(*placement, 1), Sites{"stream"});
  EXPECT_EQ(sites_at(*placement, -1), Sites{});
  EXPECT_EQ(bundle_of("b2t").residual, "b2t");
  EXPECT_EQ(bundle_of("b2t").init, "b2t");
  EXPECT_EQ(bundle_of("{type: b2t, bundle: sites_only}").residual, "");
}

}  // namespace
}  // namespace ingot::testing
