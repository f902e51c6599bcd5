#include <gtest/gtest.h>

#include "nn/harness.h"
#include "nn/placement.h"

namespace ingot::testing {
namespace {

TEST(Post, NormsTheStreamAndNothingElse) {
  const auto variant = configured<PlacementEntry>("post");
  const auto post = variant.entry().make(variant.settings(), {4, [](int) { return true; }});
  for (const auto& [name, site] : site_names()) {
    EXPECT_EQ(post->has_norm(site, 2), name == "stream") << name;
    EXPECT_FALSE(post->has_norm(site, -1)) << name;
  }
  EXPECT_EQ(post->formula(), "norm(x + f(x))");
}

}  // namespace
}  // namespace ingot::testing
