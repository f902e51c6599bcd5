#include "nn/placement_harness.h"

namespace ingot::testing {
namespace {

TEST(Pre, NormsBeforeEverySublayerAndTheHead) {
  const auto placement = make_placement("pre");
  EXPECT_EQ(sites_at(*placement, 2), Sites{"input"});
  EXPECT_EQ(sites_at(*placement, -1), Sites{"final"});
  EXPECT_EQ(placement->branch_scale(3), 1);
  EXPECT_EQ(placement->skip_scale(3), 1);
}

}  // namespace
}  // namespace ingot::testing
