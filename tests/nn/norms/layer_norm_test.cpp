#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "nn/norms/fixture.h"

namespace ingot::testing {
namespace {

TEST(LayerNorm, MatchesGolden) {
  NormFixture f("layer_norm");
  const GoldenCase golden = golden_case(Golden("layer_norm"));
  load_params(*f.harness, golden);
  expect_golden(golden, *f.harness, [&](const at::Tensor& x) { return f(x); });
}

TEST(LayerNorm, DoesNotSeeAShift) {
  NormFixture f("{type: layer_norm, bias: false}");
  const at::Tensor x = random_normal({4, kModel}, 1);
  EXPECT_TRUE(close(f(x + 3), f(x), Tolerance::of(at::kDouble).reduction(kModel)));
}

}  // namespace
}  // namespace ingot::testing
