#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "nn/golden.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(LayerNorm, MatchesGolden) {
  const auto variant = configured<NormEntry>("layer_norm");
  std::unique_ptr<Norm> norm;
  Harness harness(at::kDouble, [&](const ParamScope& scope) {
    norm = variant.entry().make(variant.settings(), {scope, kModel, 1, Site::kInput, 0, 1});
  });
  const GoldenCase golden = golden_case(Golden("layer_norm"));
  load_params(harness, golden);
  expect_golden(golden, harness, [&](const at::Tensor& x) { return norm->forward(x); });
}

TEST(LayerNorm, DoesNotSeeAShift) {
  const auto variant = configured<NormEntry>("{type: layer_norm, bias: false}");
  std::unique_ptr<Norm> norm;
  Harness harness(at::kDouble, [&](const ParamScope& scope) {
    norm = variant.entry().make(variant.settings(), {scope, kModel, 1, Site::kInput, 0, 1});
  });
  const at::Tensor x = random_normal({4, kModel}, 1);
  EXPECT_TRUE(close(norm->forward(x + 3), norm->forward(x), Tolerance::of(at::kDouble).reduction(kModel)));
}

}  // namespace
}  // namespace ingot::testing
