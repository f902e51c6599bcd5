#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "nn/harness.h"
#include "nn/residual.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

std::unique_ptr<Residual> residual(std::function<double(int)> branch, std::function<double(int)> skip) {
  const auto variant = configured<ResidualEntry>("add");
  ParameterStore store;
  return variant.entry().make(variant.settings(), {ParamScope(store), kModel, 3, std::move(branch), std::move(skip)});
}

TEST(Add, AddsTheBranch) {
  const auto add = residual({}, {});
  const at::Tensor x = random_normal({2, 3, kModel}, 1), branch = random_normal({2, 3, kModel}, 2);
  const Stream begun = add->begin(x);
  EXPECT_TRUE(same_bits(add->read(0, begun), x));
  EXPECT_TRUE(same_bits(add->end(add->join(1, begun, branch)), x + branch));
}

TEST(Add, AppliesThePlacementsFactors) {
  const auto add =
      residual([](int depth) { return 1.0 / (depth + 1); }, [](int depth) { return depth == 2 ? 3.0 : 1.0; });
  const at::Tensor x = random_normal({2, 3, kModel}, 1), branch = random_normal({2, 3, kModel}, 2);
  EXPECT_TRUE(close(add->end(add->join(1, add->begin(x), branch)), x + branch / 2, Tolerance::of(at::kDouble)));
  EXPECT_TRUE(close(add->end(add->join(2, add->begin(x), branch)), 3 * x + branch / 3, Tolerance::of(at::kDouble)));
}

TEST(Add, TheStreamKeepsItsType) {
  const auto add = residual({}, {});
  const at::Tensor x = random_normal({2, 3, kModel}, 1, at::kFloat);
  const at::Tensor branch = random_normal({2, 3, kModel}, 2, at::kBFloat16);
  EXPECT_EQ(add->end(add->join(0, add->begin(x), branch)).scalar_type(), at::kFloat);
  EXPECT_EQ(add->end(add->join(0, add->begin(branch), x)).scalar_type(), at::kBFloat16);
}

}  // namespace
}  // namespace ingot::testing
