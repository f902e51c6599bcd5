#include "nn/placement_harness.h"

namespace ingot::testing {
namespace {

TEST(MixLn, SwitchesFromPostToPreAfterAQuarterOfTheBlocks) {
  const auto placement = make_placement("mix_ln", 24);  // 12 blocks: 3 are post-norm
  EXPECT_EQ(sites_at(*placement, 5), Sites{"stream"});
  EXPECT_EQ(sites_at(*placement, 6), Sites{"input"});
  EXPECT_EQ(sites_at(*placement, -1), Sites{"final"});
  EXPECT_EQ(placement->formula(5), "norm(x + f(x))");
  EXPECT_EQ(sites_at(*make_placement("{type: mix_ln, post_fraction: 0.06}", 64), 4), Sites{"input"});  // 1 of 32
}

}  // namespace
}  // namespace ingot::testing
