#include "nn/placement_harness.h"

namespace ingot::testing {
namespace {

TEST(NonePlacement, HasNoNorm) {
  const auto placement = make_placement("none");
  for (const int depth : {-1, 0, 1}) EXPECT_EQ(sites_at(*placement, depth), Sites{}) << depth;
}

}  // namespace
}  // namespace ingot::testing
