#include <gtest/gtest.h>

#include "support/weights.h"

namespace ingot::testing {
namespace {

std::unique_ptr<Scaling> make_blockwise(const std::string& settings = "") {
  const auto config = weights_config("scaling: {type: blockwise" + settings + "}");
  return config.scaling.entry().make(config.scaling.settings(), ScalingContext{256, 4});
}

double block_lr(const Scaling& scaling, RoleSet roles, const std::string& part = "") {
  ParamInfo info;
  info.roles = roles;
  info.part = part;
  info.shape = {64, 256};
  return scaling.lr(info, UpdateSize::kNormalised);
}

TEST(Blockwise, FactorsOfThePaper) {
  const auto scaling = make_blockwise();
  EXPECT_EQ(block_lr(*scaling, Role::kEmbedding), 10);
  EXPECT_EQ(block_lr(*scaling, {Role::kEmbedding, Role::kHead}), 10);
  EXPECT_EQ(block_lr(*scaling, Role::kPosition), 10);
  EXPECT_EQ(block_lr(*scaling, Role::kHead), 1);
  EXPECT_EQ(block_lr(*scaling, Role::kGain), 1);
  for (const char* part : {"q", "k", "b", "c"}) EXPECT_EQ(block_lr(*scaling, Role::kReadsStream, part), 8) << part;
  for (const char* part : {"v", "x", "z"}) EXPECT_EQ(block_lr(*scaling, Role::kReadsStream, part), 4) << part;
  for (const char* part : {"o", "out"}) EXPECT_EQ(block_lr(*scaling, Role::kWritesStream, part), 4) << part;
  for (const char* part : {"gate", "up"}) EXPECT_EQ(block_lr(*scaling, Role::kReadsStream, part), 6) << part;
  EXPECT_EQ(block_lr(*scaling, Role::kWritesStream, "down"), 6);
  EXPECT_EQ(block_lr(*scaling, Role::kReadsStream, "dt"), 1);
  EXPECT_EQ(block_lr(*scaling, Role::kConv, "q"), 1);
  EXPECT_EQ(block_lr(*scaling, Role::kMeta), 1);
}

TEST(Blockwise, DecayFollowsTheRateUnlessItIsKept) {
  ParamInfo info;
  info.roles = Role::kEmbedding;
  info.shape = {64, 256};
  EXPECT_EQ(make_blockwise()->weight_decay(info, UpdateSize::kNormalised), 1);
  EXPECT_EQ(make_blockwise(", keep_decay: true")->weight_decay(info, UpdateSize::kNormalised), 0.1);
}

TEST(Blockwise, SettingsChangeTheFactors) {
  const auto scaling = make_blockwise(", embedding: 3, head: 2, other: 5");
  EXPECT_EQ(block_lr(*scaling, Role::kEmbedding), 3);
  EXPECT_EQ(block_lr(*scaling, Role::kHead), 2);
  EXPECT_EQ(block_lr(*scaling, Role::kScalar), 5);
}

}  // namespace
}  // namespace ingot::testing
