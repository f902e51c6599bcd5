#include <gtest/gtest.h>

#include <cmath>

#include "support/weights.h"

namespace ingot::testing {
namespace {

std::unique_ptr<Scaling> make_robust(std::int64_t d_model) {
  const auto config = weights_config("scaling: {type: robust_layerwise, base_width: 64}");
  return config.scaling.entry().make(config.scaling.settings(), ScalingContext{d_model, 4});
}

ParamInfo robust_param(RoleSet roles, std::vector<std::int64_t> shape) {
  ParamInfo info;
  info.roles = roles;
  info.shape = std::move(shape);
  return info;
}

TEST(RobustLayerwise, MatricesHaveRatesAs1OverDAndDecayAsItsRoot) {
  const auto scaling = make_robust(1024);
  const auto info = robust_param(Role::kReadsStream, {1024, 1024});
  EXPECT_EQ(scaling->lr(info, UpdateSize::kNormalised), 1.0 / 16);
  EXPECT_EQ(scaling->weight_decay(info, UpdateSize::kNormalised), 4);
  EXPECT_EQ(scaling->init(info), 0.25);
  EXPECT_EQ(scaling->logits(), 1.0 / 16);
}

/// The steady state of AdamW: the largest singular value is as sqrt(rate / decay) d^0.75.
TEST(RobustLayerwise, TheSteadyStateIsTheSameAtEveryWidth) {
  for (const std::int64_t d : {64, 256, 4096}) {
    const auto scaling = make_robust(d);
    const auto info = robust_param(Role::kInner, {d, d});
    const double ratio =
        scaling->lr(info, UpdateSize::kNormalised) / scaling->weight_decay(info, UpdateSize::kNormalised);
    EXPECT_NEAR(std::sqrt(ratio) * std::pow(d / 64.0, 0.75), 1, 1e-12) << d;
  }
}

TEST(RobustLayerwise, TheRestKeepsItsRateWithoutDecay) {
  const auto scaling = make_robust(1024);
  for (const auto& info : {robust_param(Role::kEmbedding, {99, 1024}), robust_param(Role::kHead, {99, 1024}),
                           robust_param(Role::kGain, {1024}), robust_param(Role::kConv, {1024, 4}),
                           robust_param(Role::kMeta, {8, 1024})}) {
    EXPECT_EQ(scaling->lr(info, UpdateSize::kNormalised), 1);
    EXPECT_EQ(scaling->weight_decay(info, UpdateSize::kNormalised), 0);
  }
}

}  // namespace
}  // namespace ingot::testing
