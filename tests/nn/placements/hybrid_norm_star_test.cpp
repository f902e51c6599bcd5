#include "nn/placement_harness.h"

namespace ingot::testing {
namespace {

TEST(HybridNormStar, BeginsWithAPreNormBlock) {
  const auto placement = make_placement("hybrid_norm_star");
  EXPECT_EQ(sites_at(*placement, 0), (Sites{"input", "q", "k", "v"}));
  EXPECT_EQ(sites_at(*placement, 1), Sites{"input"});
  EXPECT_EQ(sites_at(*placement, 2), (Sites{"stream", "q", "k", "v"}));
  EXPECT_EQ(sites_at(*placement, 3), Sites{});
  EXPECT_EQ(sites_at(*placement, -1), Sites{"final"});
}

}  // namespace
}  // namespace ingot::testing
