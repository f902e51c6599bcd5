#include "nn/placement_harness.h"

namespace ingot::testing {
namespace {

TEST(Keel, ScalesTheSkipPathByTheDepthBehindTheFirstBlock) {
  const auto placement = make_placement("keel", 24);
  EXPECT_EQ(sites_at(*placement, 0), Sites{"input"});
  EXPECT_EQ(sites_at(*placement, 1), (Sites{"input", "stream"}));
  EXPECT_EQ(sites_at(*placement, -1), Sites{});
  EXPECT_EQ(placement->skip_scale(0), 1);
  EXPECT_EQ(placement->skip_scale(1), 1);
  EXPECT_EQ(placement->skip_scale(2), 24);
}

}  // namespace
}  // namespace ingot::testing
