#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "nn/golden.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Relu2, KnownValues) {
  const auto variant = configured<ActivationEntry>("relu2");
  const at::Tensor y = variant.entry().make(variant.settings())->forward(at::tensor({-3.0, 0.0, 1.5}, at::kDouble));
  EXPECT_TRUE(same_bits(y, at::tensor({0.0, 0.0, 2.25}, at::kDouble)));
}

TEST(Relu2, MatchesGolden) { expect_activation("relu2", "relu2"); }

}  // namespace
}  // namespace ingot::testing
