#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <gtest/gtest.h>

#include "nn/golden.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

Built<Mixer> attention(const std::string& yaml, at::ScalarType dtype = at::kDouble) {
  return build_mixer("attention", configured<MixerEntry>(yaml).settings(), dtype);
}

struct GoldenFile {
  const char* name;
  const char* yaml;
};

class AttentionGolden : public ::testing::TestWithParam<GoldenFile> {};

TEST_P(AttentionGolden, Matches) {
  const GoldenCase golden = golden_case(Golden(GetParam().name));
  const Built<Mixer> mixer = attention(GetParam().yaml);
  load_params(*mixer.harness, golden);
  const bool documents = golden.count("in/document") != 0;
  SequenceContext context = documents ? document_context(golden.at("in/document")) : plain_context(2, 13);
  if (documents) {
    EXPECT_TRUE(same_bits(context.position, golden.at("in/position")));
  }
  expect_golden(golden, *mixer.harness, [&](const at::Tensor& x) { return mixer.module->forward(x, context, {}); });
}

INSTANTIATE_TEST_SUITE_P(
    Files, AttentionGolden,
    ::testing::Values(
        GoldenFile{"attention", "{type: attention, num_heads: 4, num_kv_heads: 2, position: rope}"},
        GoldenFile{"attention_window", "{type: attention, num_heads: 4, num_kv_heads: 2, window: 5, position: rope}"},
        GoldenFile{"attention_documents", "{type: attention, num_heads: 4, num_kv_heads: 2, position: rope}"},
        GoldenFile{"attention_ntk",
                   "{type: attention, num_heads: 4, num_kv_heads: 2, "
                   "position: {type: rope, ntk: {max_length: 256, original_length: 64}}}"}));

TEST(Attention, SizesAreChecked) {
  const auto problems = [](const std::string& yaml) {
    const auto variant = configured<MixerEntry>("{type: attention, " + yaml + "}");
    return variant.entry().validate(variant.settings(), kModel);
  };
  EXPECT_TRUE(problems("num_heads: 4").empty());
  EXPECT_TRUE(problems("head_dim: 16").empty());
  EXPECT_TRUE(problems("num_heads: 3, head_dim: 5").empty());
  EXPECT_EQ(problems("num_heads: 5").at(0).first, "num_heads");
  EXPECT_EQ(problems("head_dim: 5").at(0).first, "head_dim");
  EXPECT_EQ(problems("window: 4").at(0).first, "num_heads");
  EXPECT_EQ(problems("num_heads: 4, num_kv_heads: 3").at(0).first, "num_kv_heads");
}

/// What a window with always-seen prefix rows gives, from the definition: the prefix rows beyond the window added to
/// the keys one by one.
TEST(Attention, PrefixIsSeenFromAnyDistance) {
  constexpr std::int64_t kPrefix = 3, kLength = 20, kWindow = 4;
  const std::string rest = "num_heads: 2, window: 4, position: rope";
  const Built<Mixer> always = attention("{type: attention, always_see_prefix: true, " + rest + "}");
  const Built<Mixer> plain = attention("{type: attention, " + rest + "}");
  const Built<Mixer> full = attention("{type: attention, num_heads: 2, position: rope}");
  const at::Tensor meta = random_normal({1, kPrefix, kModel}, 1), x = random_normal({2, kLength, kModel}, 2);
  const auto run = [&](const Built<Mixer>& mixer, std::int64_t first, std::int64_t count) {
    MixerState fresh;
    StateFlow prefix_flow, flow;
    prefix_flow.final = &fresh;
    mixer.module->forward(meta, plain_context(1, kPrefix), prefix_flow);
    flow.fresh = &fresh;
    SequenceContext context = plain_context(2, count, kPrefix + first, kPrefix);
    return mixer.module->forward(x.narrow(1, first, count), context, flow);
  };
  const at::Tensor y = run(always, 0, kLength);
  // As long as everything is within the window the three agree.
  EXPECT_TRUE(close(y.narrow(1, 0, 1), run(full, 0, 1), Tolerance::of(at::kDouble).reduction(kModel).chain(4)));
  EXPECT_GT(relative_error(y.narrow(1, 10, 10), run(plain, 0, kLength).narrow(1, 10, 10)), 1e-3);
  // The last token sees the prefix and its window alone: a full attention over these rows at their positions.
  const at::Tensor last = run(full, kLength - kWindow, kWindow).narrow(1, kWindow - 1, 1);
  EXPECT_TRUE(close(y.narrow(1, kLength - 1, 1), last, Tolerance::of(at::kDouble).reduction(kModel).chain(4)));
}

TEST(Attention, DecodesWithAlwaysSeenPrefix) {
  constexpr std::int64_t kPrefix = 3, kLength = 200;
  const at::NoGradGuard no_grad;
  const Built<Mixer> mixer =
      attention("{type: attention, always_see_prefix: true, num_heads: 2, window: 4, position: rope}");
  const at::Tensor meta = random_normal({1, kPrefix, kModel}, 1), x = random_normal({2, kLength, kModel}, 2);
  MixerState fresh;
  StateFlow prefix_flow, flow;
  prefix_flow.final = &fresh;
  mixer.module->forward(meta, plain_context(1, kPrefix), prefix_flow);
  flow.fresh = &fresh;
  const at::Tensor y = mixer.module->forward(x, plain_context(2, kLength, kPrefix, kPrefix), flow);
  MixerState state = mixer.module->expand_state(fresh, 2);
  for (std::int64_t t = 0; t < kLength; ++t) {
    const at::Tensor z = mixer.module->step(x.narrow(1, t, 1), plain_context(2, 1, kPrefix + t, kPrefix), state);
    ASSERT_TRUE(close(z, y.narrow(1, t, 1), Tolerance::of(at::kDouble).reduction(kModel).chain(4))) << t;
  }
}

TEST(Attention, AWindowBoundsTheState) {
  const at::NoGradGuard no_grad;
  const Built<Mixer> mixer = attention("{type: attention, num_heads: 2, window: 8}", at::kFloat);
  MixerState state = mixer.module->make_state(1);
  const at::Tensor x = random_normal({1, 1, kModel}, 1, at::kFloat);
  std::int64_t rows = 0;
  for (std::int64_t t = 0; t < 1000; ++t) {
    mixer.module->step(x, plain_context(1, 1, t), state);
    rows = std::max(rows, state.tensors[0].size(1));
  }
  EXPECT_LT(rows, 200);
}

TEST(Attention, CountsVisibleKeys) {
  const auto score_flops = [](const std::string& yaml, std::int64_t length, std::int64_t prefix) {
    const Built<Mixer> mixer = attention(yaml, at::kFloat);
    for (const FlopItem& item : mixer.module->flops(length, prefix)) {
      if (item.name == "scores") return item.flops;
    }
    return 0.0;
  };
  // Two heads of 16: 2 · 32 operations a key. Length 4 after a prefix of 2: 3, 4, 5, 6 keys.
  EXPECT_EQ(score_flops("{type: attention, num_heads: 2}", 4, 2), 64 * 4.5);
  EXPECT_EQ(score_flops("{type: attention, num_heads: 2, window: 4}", 4, 2), 64 * (3 + 4 + 4 + 4) / 4.0);
  EXPECT_EQ(score_flops("{type: attention, num_heads: 2, window: 4, always_see_prefix: true}", 4, 2), 64 * 4.5);
}

/// Attention with a norm at the sites q and k, and its parameters.
struct Normalised {
  explicit Normalised(const std::string& rest, const std::string& norm_yaml = "rms_norm") {
    const auto norm = configured<NormEntry>(norm_yaml);
    const auto settings =
        configured<MixerEntry>("{type: attention, num_heads: 4, num_kv_heads: 2, position: rope" + rest + "}");
    harness = std::make_unique<Harness>(at::kDouble, [&](const ParamScope& scope) {
      BranchContext context = branch_context(scope);
      context.site_norm = [&](Site site, const ParamScope& s, std::int64_t width,
                              std::int64_t heads) -> std::unique_ptr<Norm> {
        if (site == Site::kV || site == Site::kHead) return nullptr;
        return norm.entry().make(norm.settings(), {s, width, heads, site, 0, 1});
      };
      mixer = settings.entry().make(settings.settings(), context);
    });
  }
  at::Tensor operator()(const at::Tensor& x) const {
    return mixer->forward(x, plain_context(x.size(0), x.size(1)), {});
  }

  std::unique_ptr<Mixer> mixer;
  std::unique_ptr<Harness> harness;
};

/// The same from the definition: softmax of K^-1/2 q · k over the keys up to the query, q and k as `prepare` makes them
/// of the projected heads [B, T, H, K].
at::Tensor from_definition(const ParamMap& params, const at::Tensor& x,
                           const std::function<at::Tensor(const std::string& part, const at::Tensor&)>& prepare) {
  const auto projected = [&](const std::string& part, std::int64_t heads) {
    return at::linear(x, params.at(part + ".weight")).view({x.size(0), x.size(1), heads, 8});
  };
  const at::Tensor q = prepare("q", projected("q", 4)).transpose(1, 2);
  const at::Tensor k = prepare("k", projected("k", 2)).repeat_interleave(2, 2).transpose(1, 2);
  const at::Tensor v = projected("v", 2).repeat_interleave(2, 2).transpose(1, 2);
  const at::Tensor future = at::ones({x.size(1), x.size(1)}, at::kBool).triu(1);
  const at::Tensor scores =
      (q.matmul(k.transpose(2, 3)) / std::sqrt(8.0)).masked_fill(future, -std::numeric_limits<double>::infinity());
  return at::linear(at::softmax(scores, -1).matmul(v).transpose(1, 2).flatten(2), params.at("o.weight"));
}

at::Tensor turned(const at::Tensor& heads) {
  const auto rope = configured<PositionEntry>("rope");
  return rope.entry().reference(rope.settings(), heads, plain_context(heads.size(0), heads.size(1)).position, {});
}

at::Tensor rms(const at::Tensor& x) { return x / (x.square().mean(-1, true) + 1e-6).sqrt(); }

const Tolerance kNormalisedTolerance = Tolerance::of(at::kDouble).reduction(kModel * 9).chain(6);

TEST(Attention, NormalisesEachHeadBeforeTheRotation) {
  const Normalised attention("");
  const ParamMap params = attention.harness->params();
  EXPECT_EQ(params.at("q_norm.gain").size(0), 8);
  EXPECT_EQ(params.at("k_norm.gain").size(0), 8);
  const at::Tensor x = random_normal({2, 9, kModel}, 1);
  const auto prepare = [&](const std::string& part, const at::Tensor& heads) {
    return turned(params.at(part + "_norm.gain") * rms(heads));
  };
  EXPECT_TRUE(close(attention(x), from_definition(params, x, prepare), kNormalisedTolerance));
}

/// OLMo 2: one root mean square of all heads, a gain for each entry.
TEST(Attention, NormalisesAllHeadsJointly) {
  const Normalised attention(", qk_norm: {over: all_heads}");
  const ParamMap params = attention.harness->params();
  EXPECT_EQ(params.at("q_norm.gain").size(0), 32);
  EXPECT_EQ(params.at("k_norm.gain").size(0), 16);
  const at::Tensor x = random_normal({2, 9, kModel}, 1);
  const auto prepare = [&](const std::string& part, const at::Tensor& heads) {
    return turned((params.at(part + "_norm.gain") * rms(heads.flatten(2))).view(heads.sizes()));
  };
  EXPECT_TRUE(close(attention(x), from_definition(params, x, prepare), kNormalisedTolerance));
}

/// Gains differ between the entries that a rotation mixes, so that its place shows.
TEST(Attention, NormalisesAfterTheRotation) {
  const Normalised attention(", qk_norm: {after_position: true}");
  const ParamMap params = attention.harness->params();
  const at::Tensor x = random_normal({2, 9, kModel}, 1);
  const auto prepare = [&](const std::string& part, const at::Tensor& heads) {
    return params.at(part + "_norm.gain") * rms(turned(heads));
  };
  EXPECT_TRUE(close(attention(x), from_definition(params, x, prepare), kNormalisedTolerance));
}

/// A rotation keeps lengths: without gains the place of the norm is irrelevant.
TEST(Attention, WeightFreeNormsCommuteWithTheRotation) {
  const Normalised before("", "simple_rms_norm"), after(", qk_norm: {after_position: true}", "simple_rms_norm");
  EXPECT_EQ(before.harness->num_parameters(), 2 * kModel * (32 + 16));
  const at::Tensor x = random_normal({2, 9, kModel}, 1);
  EXPECT_TRUE(close(after(x), before(x), kNormalisedTolerance));
}

}  // namespace
}  // namespace ingot::testing
