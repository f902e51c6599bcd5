#include <ATen/TensorOperators.h>

#include "nn/residual_harness.h"

namespace ingot::testing {
namespace {

TEST(Add, AddsTheBranch) {
  const auto add = build_residual("add");
  const at::Tensor x = hidden(1), branch = hidden(2);
  const Stream begun = add.rule->begin(x);
  EXPECT_TRUE(same_bits(add.rule->read(0, begun), x));
  EXPECT_TRUE(same_bits(add.rule->end(add.rule->join(1, begun, branch)), x + branch));
}

TEST(Add, AppliesThePlacementsFactors) {
  const auto built = build_residual(
      "add", 3, true, at::kDouble, [](int depth) { return 1.0 / (depth + 1); },
      [](int depth) { return depth == 2 ? 3.0 : 1.0; });
  const Residual& add = *built.rule;
  const at::Tensor x = hidden(1), branch = hidden(2);
  EXPECT_TRUE(close(add.end(add.join(1, add.begin(x), branch)), x + branch / 2, Tolerance::of(at::kDouble)));
  EXPECT_TRUE(close(add.end(add.join(2, add.begin(x), branch)), 3 * x + branch / 3, Tolerance::of(at::kDouble)));
}

TEST(Add, TheStreamKeepsItsType) {
  const auto add = build_residual("add");
  const at::Tensor x = hidden(1, at::kFloat), branch = hidden(2, at::kBFloat16);
  EXPECT_EQ(add.rule->end(add.rule->join(0, add.rule->begin(x), branch)).scalar_type(), at::kFloat);
  EXPECT_EQ(add.rule->end(add.rule->join(0, add.rule->begin(branch), x)).scalar_type(), at::kBFloat16);
}

}  // namespace
}  // namespace ingot::testing
