#include <gtest/gtest.h>

#include "support/weights.h"

namespace ingot::testing {
namespace {

TEST(StandardScaling, ChangesNothing) {
  const auto config = weights_config("scaling: standard");
  const auto scaling = config.scaling.entry().make(config.scaling.settings(), ScalingContext{4096, 100});
  for (const Role role : {Role::kEmbedding, Role::kHead, Role::kReadsStream, Role::kWritesStream, Role::kGain}) {
    ParamInfo info;
    info.shape = {4096, 4096};
    info.roles = role;
    EXPECT_EQ(scaling->init(info), 1);
    EXPECT_EQ(scaling->forward(info), 1);
    for (const auto size :
         {UpdateSize::kGradient, UpdateSize::kNormalised, UpdateSize::kSpectral, UpdateSize::kOrthogonal}) {
      EXPECT_EQ(scaling->lr(info, size), 1);
      EXPECT_EQ(scaling->weight_decay(info, size), 1);
    }
  }
  EXPECT_EQ(scaling->logits(), 1);
}

}  // namespace
}  // namespace ingot::testing
