#include "nn/placement_harness.h"

namespace ingot::testing {
namespace {

TEST(Normformer, NormsMixersOutputsAndTheHiddenLayer) {
  const auto placement = make_placement("normformer");
  EXPECT_EQ(sites_at(*placement, 0), (Sites{"input", "output"}));
  EXPECT_EQ(sites_at(*placement, 1), (Sites{"input", "hidden"}));
  EXPECT_EQ(sites_at(*placement, -1), Sites{"final"});
  const auto without = make_placement("normformer", 4, /*inner_sites=*/false);
  EXPECT_EQ(sites_at(*without, 1), (Sites{"input", "output"}));
}

}  // namespace
}  // namespace ingot::testing
