// Factors against table 8 of the paper; that activations then move alike at every width,
// tests/train/coordinate_test.cpp shows.

#include <gtest/gtest.h>

#include <cmath>

#include "support/weights.h"

namespace ingot::testing {
namespace {

std::unique_ptr<Scaling> make(const std::string& settings, std::int64_t d_model) {
  const auto config = weights_config("scaling: {type: mup, " + settings + "}");
  return config.scaling.entry().make(config.scaling.settings(), ScalingContext{d_model, 4});
}

ParamInfo param(RoleSet roles, std::vector<std::int64_t> shape) {
  ParamInfo info;
  info.roles = roles;
  info.shape = std::move(shape);
  return info;
}

constexpr auto kAdam = UpdateSize::kNormalised;
constexpr auto kSgd = UpdateSize::kGradient;
constexpr auto kSpectral = UpdateSize::kSpectral;
constexpr auto kOrthogonal = UpdateSize::kOrthogonal;

TEST(Mup, MatricesInsideTheStack) {
  const auto scaling = make("base_width: 64", 256);
  for (const Role role : {Role::kReadsStream, Role::kWritesStream, Role::kInner}) {
    const auto info = param(role, {256, 256});
    EXPECT_EQ(scaling->init(info), 0.5);
    EXPECT_EQ(scaling->lr(info, kAdam), 0.25);
    EXPECT_EQ(scaling->lr(info, kSgd), 1);
    EXPECT_EQ(scaling->lr(info, kSpectral), 1);
    EXPECT_EQ(scaling->lr(info, kOrthogonal), 0.5);
    EXPECT_EQ(scaling->weight_decay(info, kAdam), 4);
    EXPECT_EQ(scaling->weight_decay(info, kSgd), 1);
    EXPECT_EQ(scaling->weight_decay(info, kOrthogonal), 2);
  }
}

TEST(Mup, HeadEmbeddingAndVectors) {
  const auto scaling = make("base_width: 64", 256);
  for (const auto& info : {param(Role::kHead, {1000, 256}), param(Role::kEmbedding, {1000, 256}),
                           param({Role::kEmbedding, Role::kHead}, {1000, 256}), param(Role::kGain, {256}),
                           param(Role::kBias, {256}), param(Role::kConv, {256, 4}), param(Role::kMeta, {8, 256})}) {
    EXPECT_EQ(scaling->init(info), 1);
    EXPECT_EQ(scaling->lr(info, kAdam), 1);
    EXPECT_EQ(scaling->lr(info, kSpectral), 1);
    EXPECT_EQ(scaling->lr(info, kOrthogonal), 1);
    EXPECT_EQ(scaling->lr(info, kSgd), 4);
  }
  EXPECT_EQ(scaling->lr(param(Role::kScalar, {1}), kSgd), 1);
  EXPECT_EQ(scaling->logits(), 0.25);
  EXPECT_EQ(make("base_width: 64, output_factor: 3", 256)->logits(), 0.75);
}

TEST(Mup, NothingChangesAtTheBaseWidth) {
  const auto scaling = make("base_width: 256", 256);
  const auto info = param(Role::kInner, {256, 256});
  EXPECT_EQ(scaling->init(info), 1);
  EXPECT_EQ(scaling->lr(info, kAdam), 1);
  EXPECT_EQ(scaling->logits(), 1);
}

TEST(Mup, DecayMayStayAsWritten) {
  EXPECT_EQ(make("base_width: 64, keep_decay: true", 256)->weight_decay(param(Role::kInner, {256, 256}), kAdam), 1);
}

TEST(Mup, AsksForTheBaseWidth) { EXPECT_THROW(weights_config("scaling: mup"), std::exception); }

/// As the store starts weights: only inits that do not follow the width themselves are scaled.
TEST(Mup, StartValuesFollowTheWidthOnce) {
  const auto text = [](const std::string& yaml) {
    ParameterStore store;
    ParamSpec spec;
    spec.name = "up.weight";
    spec.shape = {64, 64};
    spec.roles = Role::kReadsStream;
    spec.hidden_axis = 1;
    ParamScope(store).declare(spec);
    store.layout(weights_config(yaml), 4, StoreOptions{});
    return store.choices()[0].init;
  };
  const std::string scaling = ", scaling: {type: mup, base_width: 16}}";
  EXPECT_EQ(text("{init: {type: normal, std: 0.02}" + scaling), "normal(0, 0.02) x 0.5");
  EXPECT_EQ(text("{init: wang" + scaling), text("{init: wang}"));
}

}  // namespace
}  // namespace ingot::testing
