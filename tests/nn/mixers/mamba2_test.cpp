#include <ATen/TensorOperators.h>
#include <ATen/ops/expm1.h>
#include <ATen/ops/log1p.h>
#include <gtest/gtest.h>

#include "nn/golden.h"
#include "params/weights_config.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

class Mamba2Golden : public ::testing::TestWithParam<int> {};

TEST_P(Mamba2Golden, MatchesAtEveryChunkSize) {
  const auto variant =
      configured<MixerEntry>("{type: mamba2, state_dim: 16, head_dim: 8, chunk: " + std::to_string(GetParam()) + "}");
  const Built<Mixer> mixer = build_mixer("mamba2", variant.settings(), at::kDouble);
  const GoldenCase golden = golden_case(Golden("mamba2"));
  load_params(*mixer.harness, golden);
  expect_golden(golden, *mixer.harness,
                [&](const at::Tensor& x) { return mixer.module->forward(x, plain_context(2, 21), {}); });
}

INSTANTIATE_TEST_SUITE_P(Chunks, Mamba2Golden, ::testing::Values(1, 5, 8, 21, 64));

TEST(Mamba2, SizesAreChecked) {
  const auto problems = [](const std::string& yaml) {
    const auto variant = configured<MixerEntry>("{type: mamba2, " + yaml + "}");
    return variant.entry().validate(variant.settings(), kModel);
  };
  EXPECT_TRUE(problems("head_dim: 16").empty());
  EXPECT_EQ(problems("head_dim: 24").at(0).first, "head_dim");
  EXPECT_EQ(problems("head_dim: 16, num_groups: 3").at(0).first, "num_groups");
}

/// Decay rates in [1, 16] and step sizes in [0.001, 0.1] at the start.
TEST(Mamba2, StartsInItsRanges) {
  const auto variant = configured<MixerEntry>("{type: mamba2, head_dim: 1}");  // 64 heads
  ParameterStore store;
  const auto mixer = variant.entry().make(variant.settings(), branch_context(ParamScope(store).sub("m")));
  WeightsConfig config;
  config.parametrization = make_variant<ParametrizationEntry>(nn_families(), "plain");
  config.init = make_variant<InitEntry>(nn_families(), "normal");
  store.layout(config, 1, {});
  store.allocate();
  store.initialise(3);
  ParamMap values;
  for (const Master& master : store.masters()) values[master.name] = master.value;
  const auto within = [](const at::Tensor& x, double low, double high) {
    return (x >= low).all().item<bool>() && (x <= high).all().item<bool>() &&
           x.min().item<double>() < low + 0.3 * (high - low) && x.max().item<double>() > low + 0.5 * (high - low);
  };
  EXPECT_TRUE(within(values.at("m.a_log").exp(), 1, 16));
  const at::Tensor step = at::log1p(values.at("m.dt_bias").exp());  // softplus
  EXPECT_TRUE(within(step.log(), std::log(0.000999), std::log(0.1001)));
  EXPECT_TRUE(values.at("m.d").eq(1).all().item<bool>());
  EXPECT_TRUE(within(values.at("m.conv.bias"), -0.5, 0.5));
}

TEST(Mamba2, CountsItsParameters) {
  const auto variant =
      configured<MixerEntry>("{type: mamba2, state_dim: 12, head_dim: 8, num_groups: 2, conv_kernel: 3}");
  const Built<Mixer> mixer = build_mixer("mamba2", variant.settings(), at::kFloat);
  // z, x and out; b and c; dt; the convolution with its bias; a_log, d and dt_bias; the gain.
  EXPECT_EQ(mixer.harness->num_parameters(),
            3 * kModel * 64 + 2 * kModel * 24 + kModel * 8 + (3 + 1) * (64 + 48) + 3 * 8 + 64);
}

}  // namespace
}  // namespace ingot::testing
