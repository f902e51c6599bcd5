#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "nn/residual_harness.h"

namespace ingot::testing {
namespace {

TEST(AttentionResiduals, StartAsTheMeanOfTheOutputs) {
  const auto built = build_residual("attention_residuals", 4, /*random=*/false);
  const at::Tensor x = hidden(1), a = hidden(2), b = hidden(3);
  const Tolerance tolerance = Tolerance::of(at::kDouble).chain(4);
  EXPECT_TRUE(close(built.rule->read(0, built.rule->begin(x)), x, tolerance));
  EXPECT_TRUE(close(built.rule->read(2, built.after(x, {a, b})), (x + a + b) / 3, tolerance));
}

TEST(AttentionResiduals, WeighOutputsBySoftmaxOfTheirNormalisedScores) {
  const auto built = build_residual("attention_residuals");
  const std::vector<at::Tensor> values = {hidden(1), hidden(2) * 5, hidden(3)};
  const auto attended = [&](const at::Tensor& query) {
    at::Tensor total = at::zeros_like(values[0]), weights = at::zeros({2, 3, 1}, at::kDouble);
    for (const auto& v : values) {
      const at::Tensor key = v / (v.square().mean(-1, true) + 1e-6).sqrt();
      const at::Tensor weight = (key * query).sum(-1, true).exp();
      total = total + weight * v;
      weights = weights + weight;
    }
    return total / weights;
  };
  const Stream stream = built.after(values[0], {values[1], values[2]});
  const Tolerance tolerance = Tolerance::of(at::kDouble).reduction(kModel).chain(4);
  EXPECT_TRUE(close(built.rule->read(2, stream), attended(built.param("2.residual.query")), tolerance));
  EXPECT_TRUE(close(built.rule->end(stream), attended(built.param("residual.query")), tolerance));
}

TEST(AttentionResiduals, OfBlocksWeighSumsOfOutputs) {
  // Five sub-layers in two blocks: 0 to 2, and 3 to 4.
  const auto built = build_residual("{type: attention_residuals, blocks: 2}", 5, /*random=*/false);
  const at::Tensor x = hidden(1), a = hidden(2), b = hidden(3), c = hidden(4), d = hidden(5), e = hidden(6);
  const Tolerance tolerance = Tolerance::of(at::kDouble).chain(6);
  EXPECT_TRUE(close(built.rule->read(2, built.after(x, {a, b})), (x + (a + b)) / 2, tolerance));
  EXPECT_TRUE(close(built.rule->read(3, built.after(x, {a, b, c})), (x + (a + b + c)) / 2, tolerance));
  EXPECT_TRUE(close(built.rule->read(4, built.after(x, {a, b, c, d})), (x + (a + b + c) + d) / 3, tolerance));
  EXPECT_TRUE(close(built.rule->end(built.after(x, {a, b, c, d, e})), (x + (a + b + c) + (d + e)) / 3, tolerance));
  for (const int depth : {0, 1, 3, 4}) {
    EXPECT_EQ(built.rule->begin_at(depth, x).tensors.size(), depth == 0 ? 1U : depth <= 3 ? 2U : 3U) << depth;
  }
}

}  // namespace
}  // namespace ingot::testing
