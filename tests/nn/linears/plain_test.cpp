#include <gtest/gtest.h>

#include "nn/harness.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(PlainLinear, LeavesTheProductAsItIs) {
  const auto plain = configured<LinearEntry>("plain");
  std::unique_ptr<Ffn> ffn, of_scope;
  const auto settings = configured<FfnEntry>("swiglu");
  const auto build = [&](const Variant<LinearEntry>* linear, std::unique_ptr<Ffn>& out) {
    return std::make_unique<Harness>(at::kDouble, [&](const ParamScope& scope) {
      BranchContext context = branch_context(scope);
      context.linear = linear;
      out = settings.entry().make(settings.settings(), context);
    });
  };
  const auto a = build(&plain, ffn), b = build(nullptr, of_scope);
  EXPECT_EQ(a->num_parameters(), b->num_parameters());
  const at::Tensor x = random_normal({2, 5, kModel}, 1);
  EXPECT_TRUE(same_bits(ffn->forward(x, plain_context(2, 5)), of_scope->forward(x, plain_context(2, 5))));
}

}  // namespace
}  // namespace ingot::testing
