#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "nn/golden.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

class DeltaNetGolden : public ::testing::TestWithParam<int> {};

TEST_P(DeltaNetGolden, MatchesAtEveryChunkSize) {
  const auto variant =
      configured<MixerEntry>("{type: delta_net, num_heads: 4, chunk: " + std::to_string(GetParam()) + "}");
  const Built<Mixer> mixer = build_mixer("delta_net", variant.settings(), at::kDouble);
  const GoldenCase golden = golden_case(Golden("delta_net"));
  load_params(*mixer.harness, golden);
  expect_golden(golden, *mixer.harness,
                [&](const at::Tensor& x) { return mixer.module->forward(x, plain_context(2, 37), {}); });
}

INSTANTIATE_TEST_SUITE_P(Chunks, DeltaNetGolden, ::testing::Values(1, 5, 16, 37, 64));

TEST(DeltaNet, ListsItsNorms) {
  const auto variant = configured<MixerEntry>("{type: delta_net, num_heads: 4}");
  const Built<Mixer> mixer = build_mixer("delta_net", variant.settings(), at::kFloat);
  EXPECT_EQ(mixer.module->own_norms(),
            (std::vector<std::string>{"q, k: l2, eps 1e-06", "output_norm: rms_norm, eps 1e-05"}));
}

TEST(DeltaNet, ConvolutionsStartWithinTheirBound) {
  const auto variant = configured<MixerEntry>("{type: delta_net, num_heads: 4}");
  ParameterStore store;
  const auto mixer = variant.entry().make(variant.settings(), branch_context(ParamScope(store).sub("m")));
  int convs = 0;
  for (const ParamInfo* info : store.parameters()) {
    if (!info->roles.has(Role::kConv)) continue;
    ++convs;
    EXPECT_EQ(info->shape, (std::vector<std::int64_t>{kModel, 4}));
    EXPECT_EQ(info->fixed_init_name, "uniform(-0.5, 0.5)");
  }
  EXPECT_EQ(convs, 3);
}

TEST(DeltaNet, CountsItsParameters) {
  const auto variant = configured<MixerEntry>("{type: delta_net, num_heads: 3, head_dim: 6, conv_kernel: 3}");
  const Built<Mixer> mixer = build_mixer("delta_net", variant.settings(), at::kFloat);
  // q, k, v and o; beta; the convolutions; the gain of a head.
  EXPECT_EQ(mixer.harness->num_parameters(), 4 * kModel * 18 + kModel * 3 + 3 * 3 * 18 + 6);
}

}  // namespace
}  // namespace ingot::testing
