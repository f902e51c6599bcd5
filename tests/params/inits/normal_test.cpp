#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"
#include "support/weights.h"

namespace ingot::testing {
namespace {

TEST(Normal, HasTheStandardDeviation) {
  const auto config = weights_config("init: {type: normal, std: 0.5}");
  const auto init = config.init.entry().make(config.init.settings(), InitContext{});
  ParamInfo info;
  info.shape = {100, 100};
  at::Tensor weight = at::empty(info.shape);
  RandomStream random(1, "a");
  init->fill(weight, info, random);
  // Four standard errors of mean, deviation and kurtosis over 10^4 values.
  EXPECT_NEAR(weight.mean().item<double>(), 0, 4 * 0.5 / 100);
  EXPECT_NEAR(weight.std().item<double>(), 0.5, 4 * 0.5 / std::sqrt(2e4));
  EXPECT_NEAR((weight / 0.5).pow(4).mean().item<double>(), 3, 4 * std::sqrt(96.0) / 100);
  EXPECT_EQ(init->text(info), "normal(0, 0.5)");
}

}  // namespace
}  // namespace ingot::testing
