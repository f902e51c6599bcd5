#include <cmath>

#include "nn/placement_harness.h"

namespace ingot::testing {
namespace {

TEST(NgptPlacement, NormsQueriesAndKeysAlone) {
  const auto placement = make_placement("ngpt");
  EXPECT_EQ(sites_at(*placement, 0), (Sites{"q", "k"}));
  EXPECT_EQ(sites_at(*placement, 1), Sites{});
  EXPECT_EQ(sites_at(*placement, -1), Sites{});
  EXPECT_DOUBLE_EQ(placement->input_scale(1), std::sqrt(static_cast<double>(kModel)));
}

TEST(NgptPlacement, BringsItsResidualRuleUnitVectorsAndInit) {
  const auto bundle = bundle_of("ngpt", 64);
  EXPECT_EQ(bundle.residual, "ngpt");
  EXPECT_EQ(bundle.constraints, std::vector<std::string>{"unit_norm"});
  EXPECT_EQ(bundle.init, "{type: normal, std: 0.125}");
}

}  // namespace
}  // namespace ingot::testing
