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

TEST(InputScalars, StartOnALineOverTheBlocks) {
  const auto built = build_residual(
      "{type: input_scalars, stream_start: 1.15, stream_start_last: 1.05, embedding_start: 0.2, embedding_start_last: "
      "0.05}",
      6, /*random=*/false);
  const auto expect = [&](int depth, double stream, double embedding) {
    EXPECT_NEAR(built.param(cat(depth, ".residual.stream_scale")).item<double>(), stream, 1e-12);
    EXPECT_NEAR(built.param(cat(depth, ".residual.embedding_scale")).item<double>(), embedding, 1e-12);
  };
  expect(0, 1.15, 0.2);
  expect(2, 1.1, 0.125);
  expect(4, 1.05, 0.05);
}

}  // namespace
}  // namespace ingot::testing
