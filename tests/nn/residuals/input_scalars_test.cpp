#include <ATen/TensorOperators.h>

#include "nn/residual_harness.h"

namespace ingot::testing {
namespace {

TEST(InputScalars, MixesTheEmbeddingInBeforeEachBlock) {
  const auto built = build_residual("input_scalars");
  EXPECT_EQ(built.harness->num_parameters(), 4);
  const Residual& rule = *built.rule;
  const at::Tensor x = hidden(1), a = hidden(2), b = hidden(3), c = hidden(4);
  const auto mixed = [&](int depth, const at::Tensor& stream) {
    return built.param(cat(depth, ".residual.stream_scale")) * stream +
           built.param(cat(depth, ".residual.embedding_scale")) * x;
  };
  const Tolerance tolerance = Tolerance::of(at::kDouble).chain(6);
  EXPECT_TRUE(close(rule.read(0, rule.begin(x)), mixed(0, x), tolerance));
  const Stream two = built.after(x, {a, b});
  EXPECT_TRUE(close(rule.end(two), mixed(0, x) + a + b, tolerance));
  EXPECT_TRUE(close(rule.end(rule.join(2, two, c)), mixed(2, mixed(0, x) + a + b) + c, tolerance));
}

TEST(InputScalars, StartsAsAddition) {
  const auto built = build_residual("input_scalars", 4, /*random=*/false);
  const at::Tensor x = hidden(1), a = hidden(2), b = hidden(3);
  EXPECT_TRUE(same_bits(built.rule->end(built.after(x, {a, b})), x + a + b));
}

}  // namespace
}  // namespace ingot::testing
