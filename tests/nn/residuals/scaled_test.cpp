#include <ATen/TensorOperators.h>

#include "nn/residual_harness.h"

namespace ingot::testing {
namespace {

TEST(Scaled, DividesTheBranchByAPowerOfTheDepth) {
  const at::Tensor x = hidden(1), branch = hidden(2);
  const auto change = [&](const std::string& yaml) {
    const auto built = build_residual(yaml, 16);
    return built.rule->end(built.rule->join(3, built.rule->begin(x), branch)) - x;
  };
  const Tolerance tolerance = Tolerance::of(at::kDouble).chain(4);
  EXPECT_TRUE(close(change("scaled"), branch / 4, tolerance));
  EXPECT_TRUE(close(change("{type: scaled, by: depth}"), branch / 16, tolerance));
  EXPECT_TRUE(close(change("{type: scaled, by: nothing, factor: 0.5}"), branch / 2, tolerance));
}

}  // namespace
}  // namespace ingot::testing
