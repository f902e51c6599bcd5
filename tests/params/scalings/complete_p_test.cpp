// Factors against table 1 of the paper and the group settings of its released code.

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/tolerance.h"
#include "support/weights.h"

namespace ingot::testing {
namespace {

/// Four times as wide and twice as deep as the base.
std::unique_ptr<Scaling> make_complete_p(const std::string& alpha = "1") {
  const auto config =
      weights_config("scaling: {type: complete_p, base_width: 64, base_sublayers: 8, alpha: " + alpha + "}");
  return config.scaling.entry().make(config.scaling.settings(), ScalingContext{256, 16});
}

ParamInfo deep_param(RoleSet roles, std::vector<std::int64_t> shape, int depth) {
  ParamInfo info;
  info.roles = roles;
  info.shape = std::move(shape);
  info.depth = depth;
  return info;
}

TEST(CompleteP, MatricesOfTheStack) {
  const auto scaling = make_complete_p();
  for (const Role role : {Role::kReadsStream, Role::kWritesStream, Role::kInner}) {
    const auto info = deep_param(role, {256, 256}, 3);
    EXPECT_EQ(scaling->init(info), 0.5);
    EXPECT_EQ(scaling->lr(info, UpdateSize::kNormalised), 0.25);
    EXPECT_EQ(scaling->weight_decay(info, UpdateSize::kNormalised), 4);
    EXPECT_EQ(scaling->forward(info), role == Role::kWritesStream ? 0.5 : 1);
  }
}

TEST(CompleteP, WithTheRootOfTheDepthRatesFallToo) {
  const auto scaling = make_complete_p("0.5");
  const auto matrix = deep_param(Role::kWritesStream, {256, 256}, 3), gain = deep_param(Role::kGain, {256}, 3);
  EXPECT_DOUBLE_EQ(scaling->forward(matrix), std::sqrt(0.5));
  EXPECT_DOUBLE_EQ(scaling->lr(matrix, UpdateSize::kNormalised), 0.25 * std::sqrt(0.5));
  EXPECT_DOUBLE_EQ(scaling->lr(gain, UpdateSize::kNormalised), std::sqrt(0.5));
  EXPECT_EQ(scaling->weight_decay(matrix, UpdateSize::kNormalised), 4);
}

TEST(CompleteP, WhatLiesOutsideTheStackKnowsTheWidthAlone) {
  for (const char* alpha : {"1", "0.5"}) {
    const auto scaling = make_complete_p(alpha);
    for (const auto& info : {deep_param(Role::kEmbedding, {99, 256}, -1), deep_param(Role::kHead, {99, 256}, -1),
                             deep_param(Role::kGain, {256}, -1), deep_param(Role::kMeta, {4, 256}, -1)}) {
      EXPECT_EQ(scaling->lr(info, UpdateSize::kNormalised), 1);
      EXPECT_EQ(scaling->weight_decay(info, UpdateSize::kNormalised), 1);
      EXPECT_EQ(scaling->forward(info), 1);
    }
    EXPECT_EQ(scaling->logits(), 0.25);
  }
}

TEST(CompleteP, TheModelUsesTheMatrixTimesTheFactor) {
  ParameterStore store;
  ParamSpec spec;
  spec.name = "out.weight";
  spec.shape = {8, 4};
  spec.roles = Role::kWritesStream;
  spec.hidden_axis = 0;
  const auto out = ParamScope(store).declare(spec);
  make_weights(store, fp64_options(), weights_config("scaling: {type: complete_p, base_width: 8, base_sublayers: 2}"),
               8);
  EXPECT_TRUE(close(out.compute(), master_of(store, "out.weight").value / 4, Tolerance::of(at::kDouble)));
  EXPECT_NE(store.choices()[0].parametrization_text.find("x 0.25"), std::string::npos);
}

TEST(CompleteP, AsksForWidthAndDepth) {
  EXPECT_THROW(weights_config("scaling: {type: complete_p, base_width: 8}"), std::exception);
}

}  // namespace
}  // namespace ingot::testing
