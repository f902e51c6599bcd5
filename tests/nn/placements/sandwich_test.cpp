#include "nn/placement_harness.h"

namespace ingot::testing {
namespace {

TEST(Sandwich, NormsBothSidesOfASublayer) {
  const auto placement = make_placement("sandwich");
  EXPECT_EQ(sites_at(*placement, 0), (Sites{"input", "output"}));
  EXPECT_EQ(sites_at(*placement, -1), Sites{"final"});
}

}  // namespace
}  // namespace ingot::testing
