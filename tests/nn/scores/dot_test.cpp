#include "nn/scores/fixture.h"

namespace ingot::testing {
namespace {

TEST(DotScore, ComparesWhatItGetsOverTheRootOfTheWidth) {
  const auto variant = configured<ScoreEntry>("dot");
  ParameterStore store;
  EXPECT_EQ(variant.entry().make(variant.settings(), {ParamScope(store), kHeads, kHeadDim, 64}), nullptr);
  EXPECT_DOUBLE_EQ(variant.entry().factor(64), 0.125);
}

}  // namespace
}  // namespace ingot::testing
