#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "nn/residual_harness.h"

namespace ingot::testing {
namespace {

TEST(Mhc, MixesWithADoublyStochasticMatrix) {
  constexpr int kStreams = 4;
  const auto built = build_residual("mhc");
  const at::Tensor h = random_normal({2, 3, kStreams, kModel}, 5), none = at::zeros({2, 3, kModel}, at::kDouble);
  // Columns of ones sum to the row sums of R, and the sum over streams to its column sums.
  const at::Tensor ones = at::ones_like(h);
  const at::Tensor mixed = built.rule->join(1, {{h}}, none).tensors[0];
  EXPECT_LT((mixed.sum(2) - h.sum(2)).abs().max().item<double>(), 1e-5);  // what 20 rounds leave
  const at::Tensor rows = built.rule->join(1, {{ones}}, none).tensors[0];
  EXPECT_TRUE(close(rows, ones, Tolerance::of(at::kDouble).chain(8)));
  EXPECT_GT((mixed - h.mean(2, true)).abs().max().item<double>(), 1e-3);  // not the uniform matrix
}

TEST(Mhc, StartsNearAdditionForEqualStreams) {
  const auto built = build_residual("mhc", 4, /*random=*/false);
  const at::Tensor x = hidden(1), branch = hidden(2);
  const at::Tensor y = built.rule->end(built.rule->join(0, built.rule->begin(x), branch));
  // Logits are 0.01 times values of order 1.
  EXPECT_LT(relative_error(y, x + branch), 0.02);
  EXPECT_LT(relative_error(built.rule->read(0, built.rule->begin(x)), 2 * x), 0.02);
}

/// Streams that differ, without a branch: the start averages them, or keeps them apart.
TEST(Mhc, StartsWithTheAverageOrTheIdentity) {
  const at::Tensor h = random_normal({2, 3, 4, kModel}, 5), none = at::zeros({2, 3, kModel}, at::kDouble);
  const auto mixed = [&](const char* yaml) {
    const auto built = build_residual(yaml, 4, /*random=*/false);
    return built.rule->join(0, {{h}}, none).tensors[0];
  };
  // Logits are 0.01 times values of order 1; exp(-8) = 3.4e-4.
  EXPECT_LT(relative_error(mixed("mhc"), h.mean(2, true).expand_as(h)), 0.1);
  EXPECT_LT(relative_error(mixed("{type: mhc, start: identity}"), h), 0.005);
}

TEST(Mhc, ReadsAndWritesThroughSigmoids) {
  constexpr int kStreams = 2;
  const auto built = build_residual("{type: mhc, streams: 2}");
  const at::Tensor h = random_normal({2, 3, kStreams, kModel}, 5), branch = hidden(6);
  const auto p = [&](const std::string& name) { return built.param("1.residual." + name); };
  const at::Tensor flat = h.flatten(2);
  const at::Tensor unit = flat / (flat.square().mean(-1, true) + 1e-6).sqrt();
  const at::Tensor product = at::matmul(unit, p("dynamic.weight").t());  // [2, 3, 8]
  const auto logit = [&](int i, int part) {
    return (p("size")[part] * product.select(-1, i) + p("dynamic.bias")[i]).unsqueeze(-1);
  };
  const at::Tensor read = at::sigmoid(logit(0, 0)) * h.select(2, 0) + at::sigmoid(logit(1, 0)) * h.select(2, 1);
  const Tolerance tolerance = Tolerance::of(at::kDouble).reduction(2 * kModel).chain(4);
  EXPECT_TRUE(close(built.rule->read(1, {{h}}), read, tolerance));
  const at::Tensor zero = at::zeros_like(branch);
  const at::Tensor written =
      built.rule->join(1, {{h}}, branch).tensors[0] - built.rule->join(1, {{h}}, zero).tensors[0];
  EXPECT_TRUE(close(written.select(2, 1), 2 * at::sigmoid(logit(3, 1)) * branch, tolerance.chain(4)));
}

}  // namespace
}  // namespace ingot::testing
