#include <ATen/TensorOperators.h>

#include "nn/residual_harness.h"

namespace ingot::testing {
namespace {

TEST(FixupResidual, ShiftsAndScales) {
  const auto built = build_residual("fixup");
  const at::Tensor x = hidden(1), branch = hidden(2);
  const auto p = [&](const std::string& name) { return built.param(name); };
  const Tolerance tolerance = Tolerance::of(at::kDouble).chain(3);
  const Stream begun = built.rule->begin(x);
  EXPECT_TRUE(close(built.rule->read(2, begun), x + p("2.residual.shift_in"), tolerance));
  const at::Tensor joined = x + p("2.residual.scale") * branch + p("2.residual.shift_out");
  EXPECT_TRUE(close(built.rule->end(built.rule->join(2, begun, branch)),
                    p("residual.scale") * joined + p("residual.shift"), tolerance));
}

TEST(FixupResidual, StartsAsAddition) {
  const auto built = build_residual("fixup", 4, /*random=*/false);
  const at::Tensor x = hidden(1), branch = hidden(2);
  EXPECT_TRUE(same_bits(built.rule->read(0, built.rule->begin(x)), x));
  EXPECT_TRUE(same_bits(built.rule->end(built.after(x, {branch})), x + branch));
}

}  // namespace
}  // namespace ingot::testing
