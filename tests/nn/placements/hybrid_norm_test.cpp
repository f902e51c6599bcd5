#include "nn/placement_harness.h"

namespace ingot::testing {
namespace {

TEST(HybridNorm, NormsQueriesKeysValuesAndTheStreamBeforeTheFfn) {
  const auto placement = make_placement("hybrid_norm");
  EXPECT_EQ(sites_at(*placement, 0), (Sites{"stream", "q", "k", "v"}));
  EXPECT_EQ(sites_at(*placement, 1), Sites{});
  EXPECT_EQ(sites_at(*placement, -1), Sites{"final"});
  const auto without = make_placement("hybrid_norm", 4, /*inner_sites=*/false);
  EXPECT_EQ(sites_at(*without, 2), (Sites{"input", "stream"}));
}

}  // namespace
}  // namespace ingot::testing
