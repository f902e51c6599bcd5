#include <gtest/gtest.h>

#include "nn/harness.h"

namespace ingot::testing {
namespace {

TEST(NoPosition, MakesNothing) {
  const auto variant = configured<PositionEntry>("none");
  ParameterStore store;
  for (const bool at_embedding : {false, true}) {
    EXPECT_EQ(variant.entry().make(variant.settings(), {ParamScope(store), kModel, 8, 64, at_embedding}), nullptr);
  }
}

}  // namespace
}  // namespace ingot::testing
