#include <gtest/gtest.h>

#include "nn/harness.h"

namespace ingot::testing {
namespace {

TEST(NoNorm, MakesNothing) {
  const auto variant = configured<NormEntry>("none");
  Harness harness(at::kFloat, [&](const ParamScope& scope) {
    EXPECT_EQ(variant.entry().make(variant.settings(), {scope, kModel, 1, Site::kFinal, -1, 1}), nullptr);
  });
  EXPECT_EQ(harness.num_parameters(), 0);
}

}  // namespace
}  // namespace ingot::testing
