#include "nn/placement_harness.h"

namespace ingot::testing {
namespace {

TEST(Post, NormsTheStreamAndNothingElse) {
  const auto placement = make_placement("post");
  EXPECT_EQ(sites_at(*placement, 2), Sites{"stream"});
  EXPECT_EQ(sites_at(*placement, -1), Sites{});
  EXPECT_EQ(placement->formula(2), "norm(x + f(x))");
}

}  // namespace
}  // namespace ingot::testing
