#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "nn/golden.h"
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

/// Only what cancels has a wider bound.
TEST(Gelu, TermsCancelForNegativeInputsAlone) {
  const at::Tensor x = at::tensor({-2.7, 0.0, 0.1, 2.7}, at::kDouble);
  for (const char* text : {"gelu", "{type: gelu, tanh: true}"}) {
    const auto gelu = configured<ActivationEntry>(text);
    const at::Tensor y = gelu.entry().reference(gelu.settings(), x), terms = gelu.entry().terms(gelu.settings(), x);
    EXPECT_TRUE(close(terms.narrow(0, 1, 3), y.narrow(0, 1, 3), Tolerance::of(at::kDouble)));
    EXPECT_GT(terms[0].item<double>(), 100 * std::abs(y[0].item<double>()));
  }
}

TEST(Gelu, MatchesGolden) {
  expect_activation("gelu", "gelu");
  expect_activation("{type: gelu, tanh: true}", "gelu_tanh");
}

}  // namespace
}  // namespace ingot::testing
