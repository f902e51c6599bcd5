#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "nn/golden.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Silu, KnownValues) {
  const auto variant = configured<ActivationEntry>("silu");
  const auto silu = variant.entry().make(variant.settings());
  const at::Tensor y = silu->forward(at::tensor({0.0, 1.0, -1.0}, at::kDouble));
  const double s = 1 / (1 + std::exp(-1.0));
  EXPECT_TRUE(close(y, at::tensor({0.0, s, s - 1}, at::kDouble), Tolerance::of(at::kDouble)));
}

TEST(Silu, MatchesGolden) { expect_activation("silu", "silu"); }

}  // namespace
}  // namespace ingot::testing
