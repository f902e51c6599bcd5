#include <ATen/TensorOperators.h>

#include "nn/residual_harness.h"

namespace ingot::testing {
namespace {

TEST(Rezero, StartsAsTheIdentity) {
  const auto built = build_residual("rezero", 4, /*random=*/false);
  const at::Tensor x = hidden(1);
  EXPECT_TRUE(same_bits(built.rule->end(built.after(x, {hidden(2), hidden(3)})), x));
}

TEST(Rezero, SublayersOfABlockShareTheirFactor) {
  const auto built = build_residual("rezero", 4);
  EXPECT_EQ(built.harness->num_parameters(), 2);
  const at::Tensor x = hidden(1), a = hidden(2), b = hidden(3), c = hidden(4);
  const at::Tensor expected = x + built.param("0.residual.scale") * (a + b) + built.param("2.residual.scale") * c;
  EXPECT_TRUE(close(built.rule->end(built.after(x, {a, b, c})), expected, Tolerance::of(at::kDouble).chain(3)));
}

TEST(Rezero, SkipInitHasOneFactorForEachSublayer) {
  const auto built = build_residual("{type: rezero, share: nothing, start: 0.25}", 4, /*random=*/false);
  EXPECT_EQ(built.harness->num_parameters(), 4);
  EXPECT_EQ(built.param("3.residual.scale").item<double>(), 0.25);
}

}  // namespace
}  // namespace ingot::testing
