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

TEST(Normformer, BringsFactorsOfHeadsAndIfAskedForOfTheSkipPath) {
  EXPECT_EQ(bundle_of("normformer").mixer, (BundleKeys{{"head_scale", "true"}}));
  EXPECT_EQ(bundle_of("normformer").residual, "");
  EXPECT_EQ(bundle_of("{type: normformer, residual_scale: true}").residual, "skip_gain");
  const auto sites = bundle_of("{type: normformer, residual_scale: true, bundle: sites_only}");
  EXPECT_TRUE(sites.mixer.empty() && sites.residual.empty());
}

}  // namespace
}  // namespace ingot::testing
