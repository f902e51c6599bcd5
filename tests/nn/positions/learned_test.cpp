#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "nn/harness.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Learned, AddsTheRowOfEachPosition) {
  const auto variant = configured<PositionEntry>("learned");
  std::unique_ptr<Position> position;
  Harness harness(at::kDouble, [&](const ParamScope& scope) {
    position = variant.entry().make(variant.settings(), {scope, kModel, 0, 20, true});
  });
  const ParamInfo& info = *harness.store().parameters().at(0);
  EXPECT_EQ(info.name, "m.weight");
  EXPECT_TRUE(info.roles.has(Role::kPosition));
  EXPECT_EQ(info.hidden_axis, 1);
  const at::Tensor x = random_normal({1, 3, kModel}, 1);
  const at::Tensor expected = x + harness.params().at("weight").narrow(0, 15, 3);
  EXPECT_TRUE(same_bits(position->embed(x, plain_context(1, 3, 15)), expected));
}

TEST(Learned, BelongsToTheEmbedding) {
  const auto variant = configured<PositionEntry>("learned");
  ParameterStore store;
  EXPECT_THROW(variant.entry().make(variant.settings(), {ParamScope(store), kModel, 8, 20, false}), ConfigError);
}

}  // namespace
}  // namespace ingot::testing
