#include <gtest/gtest.h>

#include "support/tolerance.h"
#include "support/weights.h"

namespace ingot::testing {
namespace {

TEST(Plain, IsTheIdentity) {
  const auto variant = make_variant<ParametrizationEntry>(weight_families(), "plain");
  const auto plain = variant.entry().make(variant.settings());
  EXPECT_TRUE(plain->is_identity());
  EXPECT_TRUE(plain->can_assign());
  EXPECT_EQ(plain->granularity({}), Granularity::kElement);
  ParamInfo info;
  info.shape = {3, 4};
  info.roles = Role::kScalar;
  EXPECT_TRUE(plain->applies(info));
  const auto specs = plain->masters(info);
  ASSERT_EQ(specs.size(), 1u);
  EXPECT_EQ(specs[0].suffix, "");
  const std::vector<at::Tensor> masters = {random_normal({3, 4}, 1)};
  at::Tensor weight = random_normal({3, 4}, 2);
  plain->materialise(masters, weight);
  EXPECT_TRUE(same_bits(weight, masters[0]));
}

}  // namespace
}  // namespace ingot::testing
