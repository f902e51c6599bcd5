#include "nn/placement_harness.h"

namespace ingot::testing {
namespace {

TEST(Peri, NormsBothSidesOfASublayerAndOfTheModel) {
  const auto placement = make_placement("peri");
  EXPECT_EQ(sites_at(*placement, 1), (Sites{"input", "output"}));
  EXPECT_EQ(sites_at(*placement, -1), (Sites{"embedding", "final"}));
  EXPECT_EQ(sites_at(*make_placement("{type: peri, embedding_norm: false}"), -1), Sites{"final"});
}

}  // namespace
}  // namespace ingot::testing
