#include <cmath>

#include "nn/placement_harness.h"

namespace ingot::testing {
namespace {

TEST(NgptPlacement, HasNoNormLayers) {
  const auto placement = make_placement("ngpt");
  for (const int depth : {-1, 0, 1}) EXPECT_EQ(sites_at(*placement, depth), Sites{}) << depth;
  EXPECT_DOUBLE_EQ(placement->input_scale(1), std::sqrt(static_cast<double>(kModel)));
}

TEST(NgptPlacement, NormsQueriesAndKeysWithSitesOnly) {
  const auto placement = make_placement("{type: ngpt, bundle: sites_only}");
  EXPECT_EQ(sites_at(*placement, 0), (Sites{"q", "k"}));
  EXPECT_EQ(sites_at(*placement, 1), Sites{});
  EXPECT_EQ(sites_at(*placement, -1), Sites{});
  EXPECT_EQ(placement->input_scale(1), 1);
  const auto bundle = bundle_of("{type: ngpt, bundle: sites_only}");
  EXPECT_TRUE(bundle.residual.empty() && bundle.constraints.empty() && bundle.mixer.empty() && bundle.ffn.empty());
}

TEST(NgptPlacement, SaysWhatMixersWithoutTheSitesGoWithout) {
  const auto lacking = make_placement("{type: ngpt, bundle: sites_only}", 4, /*inner_sites=*/false);
  EXPECT_EQ(sites_at(*lacking, 0), Sites{});
  EXPECT_EQ(lacking->lacks(0), "norms of q and k");
  EXPECT_EQ(lacking->lacks(1), "");
  EXPECT_EQ(make_placement("{type: ngpt, bundle: sites_only}")->lacks(0), "");
  EXPECT_EQ(make_placement("ngpt", 4, false)->lacks(0), "");
}

TEST(NgptPlacement, BringsItsResidualRuleUnitVectorsAndInit) {
  const auto bundle = bundle_of("ngpt", 64);
  EXPECT_EQ(bundle.residual, "ngpt");
  EXPECT_EQ(bundle.constraints, std::vector<std::string>{"unit_norm"});
  EXPECT_EQ(bundle.init, "{type: normal, std: 0.125}");
  EXPECT_EQ(bundle.mixer, (BundleKeys{{"score", "ngpt"}}));
  EXPECT_EQ(bundle.ffn, (BundleKeys{{"hidden_scale", "true"}}));
  EXPECT_TRUE(bundle.logit_scale);
  EXPECT_TRUE(bundle.untied_head);
}

}  // namespace
}  // namespace ingot::testing
