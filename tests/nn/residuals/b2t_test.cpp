#include <ATen/TensorOperators.h>

#include "nn/residual_harness.h"

namespace ingot::testing {
namespace {

at::Tensor twice(const at::Tensor& x) { return 2 * x; }

TEST(B2tResidual, AddsTheBlocksInputWhenItsFfnJoins) {
  const auto built = build_residual("b2t");
  const Residual& rule = *built.rule;
  const at::Tensor x = hidden(1), a = hidden(2), f = hidden(3);
  // norm(t) = 2t stands for the stream site's norm.
  const Stream after_mixer = rule.map(rule.join(0, rule.begin(x), a), twice);
  const at::Tensor y = 2 * (x + a);
  EXPECT_TRUE(close(rule.read(1, after_mixer), y, Tolerance::of(at::kDouble)));
  const Stream after_block = rule.map(rule.join(1, after_mixer, f), twice);
  EXPECT_TRUE(close(rule.read(2, after_block), 2 * (x + y + f), Tolerance::of(at::kDouble).chain(2)));
  EXPECT_EQ(after_block.tensors.size(), 1u);
}

TEST(B2tResidual, APartOfAModelBeginsAsItsDepthDoes) {
  const auto built = build_residual("b2t");
  const at::Tensor x = hidden(1);
  EXPECT_EQ(built.rule->begin_at(2, x).tensors.size(), 1u);
  EXPECT_EQ(built.rule->begin_at(3, x).tensors.size(), 2u);
}

}  // namespace
}  // namespace ingot::testing
