#include <gtest/gtest.h>

#include "nn/golden.h"

namespace ingot::testing {
namespace {

TEST(Mlp, MatchesGolden) {
  const auto variant = configured<FfnEntry>("{type: mlp, width: 48, activation: gelu}");
  const Built<Ffn> ffn = build_ffn("mlp", variant.settings(), at::kDouble);
  const GoldenCase golden = golden_case(Golden("mlp"));
  load_params(*ffn.harness, golden);
  expect_golden(golden, *ffn.harness, [&](const at::Tensor& x) { return ffn.module->forward(x, plain_context(2, 7)); });
}

TEST(Mlp, BiasesStartAtZero) {
  const auto variant = configured<FfnEntry>("{type: mlp, bias: true}");
  ParameterStore store;
  const auto ffn = variant.entry().make(variant.settings(), branch_context(ParamScope(store).sub("m")));
  int biases = 0;
  for (const ParamInfo* info : store.parameters()) {
    if (!info->roles.has(Role::kBias)) continue;
    ++biases;
    EXPECT_EQ(info->fixed_init_name, "zeros");
  }
  EXPECT_EQ(biases, 2);
}

TEST(Mlp, CountsItsParameters) {
  const auto variant = configured<FfnEntry>("{type: mlp, width: 20, bias: true, hidden_scale: true}");
  const Built<Ffn> ffn = build_ffn("mlp", variant.settings(), at::kFloat);
  EXPECT_EQ(ffn.harness->num_parameters(), 2 * kModel * 20 + 20 + kModel + 20);
}

}  // namespace
}  // namespace ingot::testing
