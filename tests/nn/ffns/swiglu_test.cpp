#include <gtest/gtest.h>

#include "nn/golden.h"

namespace ingot::testing {
namespace {

TEST(Swiglu, MatchesGolden) {
  const auto variant = configured<FfnEntry>("{type: swiglu, width: 48}");
  const Built<Ffn> ffn = build_ffn("swiglu", variant.settings(), at::kDouble);
  const GoldenCase golden = golden_case(Golden("swiglu"));
  load_params(*ffn.harness, golden);
  expect_golden(golden, *ffn.harness, [&](const at::Tensor& x) { return ffn.module->forward(x, plain_context(2, 7)); });
}

TEST(Swiglu, TheClampMatchesGolden) { expect_gated_ffn("{type: swiglu, width: 4, clamp: 0.5}", "swiglu_clamped"); }

TEST(Swiglu, RoundsARatioUp) {
  const auto variant = configured<FfnEntry>("{type: swiglu, width: 8/3x, multiple_of: 16}");
  const Built<Ffn> ffn = build_ffn("swiglu", variant.settings(), at::kFloat);
  EXPECT_EQ(ffn.harness->num_parameters(), 3 * kModel * 96);  // 8/3 · 32 = 85.3
}

TEST(Swiglu, CountsItsProducts) {
  const auto variant = configured<FfnEntry>("{type: swiglu, width: 48}");
  const Built<Ffn> ffn = build_ffn("swiglu", variant.settings(), at::kFloat);
  double products = 0;
  for (const FlopItem& item : ffn.module->flops()) {
    if (item.name != "product") products += item.flops;
  }
  EXPECT_EQ(products, 2.0 * 3 * kModel * 48);
}

}  // namespace
}  // namespace ingot::testing
