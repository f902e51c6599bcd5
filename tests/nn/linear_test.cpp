#include "nn/linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <gtest/gtest.h>

#include <utility>

#include "nn/harness.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"
#include "support/variant_cases.h"
#include "support/weights.h"

namespace ingot::testing {
namespace {

TEST(Linear, MultipliesByItsParameter) {
  for (const auto& options : {fp64_options(), store_options(at::kFloat), store_options(at::kBFloat16)}) {
    ParameterStore store;
    const Linear linear(ParamScope(store).sub("layers.0.ffn"), reads_stream_spec("up.weight", "up", 12, 8));
    EXPECT_TRUE(static_cast<bool>(linear));
    make_weights(store, options);
    const at::Tensor x = random_normal({2, 3, 8}, 2);
    const at::Tensor y = linear.forward(x.to(options.compute_dtype));
    const at::Tensor w = store.leaves()[0].weight().detach().to(at::kDouble);
    const at::Tensor exact = at::mm(x.to(options.compute_dtype).to(at::kDouble).view({6, 8}), w.t()).view({2, 3, 12});
    EXPECT_TRUE(close(y, exact, Tolerance::of(options.compute_dtype).reduction(8)));
    EXPECT_EQ(store.parameters()[0]->name, "layers.0.ffn.up.weight");
  }
  EXPECT_FALSE(static_cast<bool>(Linear()));
}

TEST(Linear, PassesTheGradientCheckThroughTheStore) {
  for (const char* yaml : {"{}", "parametrization: weight_norm"}) {
    ParameterStore store;
    const ParamScope root(store);
    const Linear up(root, reads_stream_spec("up.weight", "up", 12, 8));
    const Linear down(root, writes_stream_spec("down.weight", "down", 8, 12));
    make_weights(store, fp64_options(), weights_config(yaml));
    const auto f = [&](const std::vector<at::Tensor>& in) {
      return std::vector<at::Tensor>{down.forward(up.forward(in[0]).tanh())};
    };
    EXPECT_TRUE(gradcheck(f, {random_normal({2, 3, 8}, 2)}, checked_parameters(store)));
  }
}

/// One pass: what is further up sees what those below give after they were fitted.
TEST(Linear, IsFittedToItsOutputsOnABatch) {
  ParameterStore store;
  const ParamScope root(store);
  const JoinedLinear in(root,
                        {reads_stream_spec("gate.weight", "gate", 12, 8), reads_stream_spec("up.weight", "up", 4, 8)});
  const Linear out(root, writes_stream_spec("down.weight", "down", 8, 16));
  make_weights(store, fp64_options(), weights_config("parametrization: {type: weight_norm, start: batch}"));
  EXPECT_TRUE(store.fits_outputs());
  const at::Tensor x = 3 * random_normal({5, 4, 8}, 2);
  const auto forward = [&] {
    in.forward_joined(x.narrow(0, 0, 1) * 5);  // a prefix
    const at::Tensor hidden = in.forward_joined(x);
    return std::pair{hidden, out.forward(hidden.tanh())};
  };
  store.fit_outputs([&] { forward(); });
  const auto expect_unit = [](const at::Tensor& y) {
    // 1e-10 under the root
    EXPECT_LT((y.flatten(0, 1).var(at::IntArrayRef{0}, /*unbiased=*/false) - 1).abs().max().item<double>(), 1e-6);
  };
  const auto [hidden, y] = forward();
  expect_unit(hidden);
  expect_unit(y);
  const at::Tensor weight = store.leaves()[0].weight().detach().clone();
  store.materialise();  // the masters hold the same
  EXPECT_TRUE(close(store.leaves()[0].weight().detach(), weight, Tolerance::of(at::kDouble).chain(2)));
  forward();  // not any more
  EXPECT_TRUE(close(store.leaves()[0].weight().detach(), weight, Tolerance::of(at::kDouble).chain(2)));
}

TEST(JoinedLinear, EqualsSeparateOnes) {
  ParameterStore joined_store, separate_store;
  const std::vector<ParamSpec> specs = {reads_stream_spec("q.weight", "q", 8, 6),
                                        reads_stream_spec("k.weight", "k", 4, 6),
                                        reads_stream_spec("v.weight", "v", 3, 6)};
  const JoinedLinear joined(ParamScope(joined_store), specs);
  std::vector<Linear> separate;
  for (const auto& spec : specs) separate.emplace_back(ParamScope(separate_store), spec);
  make_weights(joined_store, fp64_options());
  make_weights(separate_store, fp64_options());

  const at::Tensor x = random_normal({2, 5, 6}, 2);
  const auto parts = joined.forward(x);
  ASSERT_EQ(parts.size(), 3u);
  at::Tensor joined_loss = at::zeros({}, at::kDouble), separate_loss = joined_loss;
  const auto tolerance = Tolerance::of(at::kDouble).reduction(10);
  for (std::size_t i = 0; i < 3; ++i) {
    const at::Tensor y = separate[i].forward(x), r = random_normal(y.sizes(), 20 + i);
    EXPECT_TRUE(close(parts[i], y.detach(), tolerance));
    joined_loss = joined_loss + (parts[i].tanh() * r).sum();
    separate_loss = separate_loss + (y.tanh() * r).sum();
  }
  joined_loss.backward();
  separate_loss.backward();
  for (const auto& master : joined_store.masters()) {
    EXPECT_TRUE(close(master.grad, master_of(separate_store, master.name).grad, tolerance)) << master.name;
  }
}

TEST(Specs, SayWhereTheHiddenAxisIs) {
  const auto reads = reads_stream_spec("q.weight", "q", 12, 8), writes = writes_stream_spec("o.weight", "o", 8, 12);
  EXPECT_EQ(reads.shape, (std::vector<std::int64_t>{12, 8}));
  EXPECT_EQ(reads.shape[reads.hidden_axis], 8);
  EXPECT_TRUE(reads.roles.has(Role::kReadsStream));
  EXPECT_EQ(writes.shape, (std::vector<std::int64_t>{8, 12}));
  EXPECT_EQ(writes.shape[writes.hidden_axis], 8);
  EXPECT_TRUE(writes.roles.has(Role::kWritesStream));
  EXPECT_EQ(writes.part, "o");
  ParameterStore store;
  const ParamScope root(store);
  const Param gain = root.declare(gain_spec("gain", 4)), bias = root.declare(bias_spec("bias", 4));
  make_weights(store, StoreOptions{});
  EXPECT_TRUE(gain.compute().equal(at::ones({4})));
  EXPECT_TRUE(bias.compute().equal(at::zeros({4})));
}

/// An ffn whose linears are of the kind that the config text describes.
Built<Ffn> ffn_with(const Variant<LinearEntry>& linear) {
  Built<Ffn> built;
  const auto mlp = configured<FfnEntry>("{type: mlp, width: 12}");
  built.harness = std::make_unique<Harness>(at::kDouble, [&](const ParamScope& scope) {
    BranchContext context = branch_context(scope);
    context.linear = &linear;
    built.module = mlp.entry().make(mlp.settings(), context);
  });
  return built;
}

class LinearConformance : public ::testing::TestWithParam<std::string> {};

TEST_P(LinearConformance, GradientsMatchDifferences) {
  const auto linear = configured<LinearEntry>(GetParam());
  const Built<Ffn> ffn = ffn_with(linear);
  const auto f = [&](const std::vector<at::Tensor>& in) {
    return std::vector<at::Tensor>{ffn.module->forward(in[0], plain_context(2, 3))};
  };
  EXPECT_TRUE(gradcheck(f, {random_normal({2, 3, kModel}, 5)}, ffn.harness->checked()));
}

TEST_P(LinearConformance, UsesAllItsParameters) {
  const auto linear = configured<LinearEntry>(GetParam());
  const Built<Ffn> ffn = ffn_with(linear);
  const at::Tensor y = ffn.module->forward(random_normal({2, 3, kModel}, 5), plain_context(2, 3));
  EXPECT_EQ(ffn.harness->unused_in(y), std::vector<std::string>());
}

INSTANTIATE_TEST_SUITE_P(All, LinearConformance, ::testing::ValuesIn(all_settings(nn_families().get<LinearEntry>())),
                         [](const auto& test) { return settings_name(test.param); });

}  // namespace
}  // namespace ingot::testing
