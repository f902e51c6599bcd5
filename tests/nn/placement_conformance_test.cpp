// What every placement must do, under all its samples.

#include <cmath>

#include "nn/placement_harness.h"
#include "nn/residual.h"
#include "params/constraint.h"
#include "params/init.h"
#include "support/variant_cases.h"

namespace ingot::testing {
namespace {

constexpr int kSublayers = 8;

class PlacementConformance : public ::testing::TestWithParam<std::string> {};

TEST_P(PlacementConformance, HasNormsAtSitesThatExist) {
  for (const bool inner_sites : {true, false}) {
    const auto placement = make_placement(GetParam(), kSublayers, inner_sites);
    for (const auto& [name, site] : site_names()) {
      const bool of_model = site == Site::kEmbedding || site == Site::kFinal;
      for (int depth = -1; depth < kSublayers; ++depth) {
        if (of_model == (depth < 0)) continue;
        EXPECT_FALSE(placement->has_norm(site, depth)) << name << " of " << depth;
      }
    }
  }
}

TEST_P(PlacementConformance, HasFactorsAndAFormulaForEachSublayer) {
  const auto placement = make_placement(GetParam(), kSublayers);
  for (int depth = 0; depth < kSublayers; ++depth) {
    EXPECT_NE(placement->formula(depth).find("f("), std::string::npos) << depth;
    for (const double factor : {placement->input_scale(depth), placement->branch_scale(depth),
                                placement->skip_scale(depth), placement->gain_start(Site::kOutput, depth)}) {
      EXPECT_TRUE(std::isfinite(factor) && factor > 0) << depth << ": " << factor;
    }
  }
}

TEST_P(PlacementConformance, BringsVariantsThatExist) {
  const auto variant = configured<PlacementEntry>(GetParam());
  if (!variant.entry().bundle) return;
  const PlacementBundle bundle = bundle_of(GetParam());
  if (!bundle.residual.empty()) {
    EXPECT_NO_THROW(configured<ResidualEntry>(bundle.residual));
  }
  if (!bundle.init.empty()) {
    EXPECT_NO_THROW(configured<InitEntry>(bundle.init));
  }
  for (const auto& constraint : bundle.constraints) {
    EXPECT_NO_THROW(configured<ConstraintEntry>(constraint));
  }
  if (GetParam().find("sites_only") == std::string::npos) return;
  EXPECT_TRUE(bundle.residual.empty() && bundle.init.empty() && bundle.constraints.empty() && bundle.mixer.empty() &&
              bundle.ffn.empty() && !bundle.logit_scale && !bundle.untied_head);
}

INSTANTIATE_TEST_SUITE_P(All, PlacementConformance,
                         ::testing::ValuesIn(all_settings(nn_families().get<PlacementEntry>())),
                         [](const auto& test) { return settings_name(test.param); });

}  // namespace
}  // namespace ingot::testing
