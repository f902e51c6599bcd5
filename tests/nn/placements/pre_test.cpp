#include <gtest/gtest.h>

#include "nn/harness.h"
#include "nn/placement.h"

namespace ingot::testing {
namespace {

TEST(Pre, NormsBeforeEverySublayerAndTheHead) {
  const auto variant = configured<PlacementEntry>("pre");
  const auto pre = variant.entry().make(variant.settings(), {4, [](int) { return true; }});
  for (const auto& [name, site] : site_names()) {
    EXPECT_EQ(pre->has_norm(site, 2), name == "input") << name;
    EXPECT_EQ(pre->has_norm(site, -1), name == "final") << name;
  }
  EXPECT_EQ(pre->residual(), "add");
  EXPECT_EQ(pre->branch_scale(3), 1);
  EXPECT_EQ(pre->skip_scale(3), 1);
}

}  // namespace
}  // namespace ingot::testing
