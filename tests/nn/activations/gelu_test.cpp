#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "nn/harness.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Gelu, TheApproximationIsCloseButAnother) {
  const auto exact = configured<ActivationEntry>("gelu"),
             approximate = configured<ActivationEntry>("{type: gelu, tanh: true}");
  const at::Tensor x = at::tensor({-2.0, -0.5, 0.5, 1.0, 2.0}, at::kDouble);
  const at::Tensor a = exact.entry().make(exact.settings())->forward(x);
  const at::Tensor b = approximate.entry().make(approximate.settings())->forward(x);
  EXPECT_LT(relative_error(b, a), 1e-3);
  EXPECT_GT(relative_error(b, a), 1e-6);
}

}  // namespace
}  // namespace ingot::testing
