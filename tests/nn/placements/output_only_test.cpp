#include "nn/placement_harness.h"

namespace ingot::testing {
namespace {

TEST(OutputOnly, NormsWhatASublayerGives) {
  const auto placement = make_placement("output_only");
  EXPECT_EQ(sites_at(*placement, 0), Sites{"output"});
  EXPECT_EQ(sites_at(*placement, -1), Sites{"final"});
}

}  // namespace
}  // namespace ingot::testing
