// Where the store puts things, and what it refuses.

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"
#include "params/store.h"
#include "support/weights.h"

namespace ingot::testing {
namespace {

ParamSpec matrix(std::string name, std::int64_t out, std::int64_t in, RoleSet roles = Role::kReadsStream,
                 int axis = 1) {
  ParamSpec spec;
  spec.name = std::move(name);
  spec.shape = {out, in};
  spec.roles = roles;
  spec.hidden_axis = axis;
  return spec;
}

ParamSpec gain(std::string name, std::int64_t width) {
  ParamSpec spec;
  spec.name = std::move(name);
  spec.shape = {width};
  spec.roles = Role::kGain;
  spec.fixed_init = constant_init(1);
  spec.fixed_init_name = "ones";
  return spec;
}

/// Odd sizes, so that nothing is aligned by chance.
void declare_model(ParameterStore& store) {
  const ParamScope root(store);
  root.declare(matrix("embedding.weight", 11, 5, {Role::kEmbedding, Role::kHead}));
  const ParamScope layer = root.sub("layers.0").at(0, "A");
  layer.declare(gain("input_norm.gain", 5));
  layer.declare_joined(
      {matrix("mixer.q.weight", 3, 5), matrix("mixer.k.weight", 7, 5), matrix("mixer.v.weight", 1, 5)});
  layer.declare(matrix("mixer.o.weight", 5, 3, Role::kWritesStream, 0));
  root.declare(gain("final_norm.gain", 5));
}

bool is_within(const at::Tensor& inner, const at::Tensor& outer) {
  const auto* begin = static_cast<const char*>(outer.const_data_ptr());
  const auto* p = static_cast<const char*>(inner.const_data_ptr());
  return p >= begin && p + inner.nbytes() <= begin + outer.nbytes();
}

std::string config_error(const std::function<void()>& f) {
  try {
    f();
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "";
}

std::string layout_error(const std::string& yaml, int num_sublayers = 2) {
  ParameterStore store;
  declare_model(store);
  return config_error([&] { store.layout(weights_config(yaml), num_sublayers, StoreOptions{}); });
}

TEST(Layout, MastersFollowDeclarationAtAlignedOffsets) {
  for (const auto compute : {at::kFloat, at::kBFloat16}) {
    ParameterStore store;
    declare_model(store);
    make_weights(store, store_options(compute));
    const auto& masters = store.masters();
    ASSERT_EQ(masters.size(), 7u);
    EXPECT_EQ(masters[2].name, "layers.0.mixer.q.weight");
    EXPECT_EQ(masters[3].offset, masters[2].offset + 15);  // joined: no gap
    EXPECT_EQ(masters[4].offset, masters[3].offset + 35);
    std::int64_t end = 0;
    for (const auto& master : masters) {
      EXPECT_GE(master.offset, end);
      end = master.offset + master.numel;
      EXPECT_TRUE(is_within(master.value, store.flat_masters()));
      EXPECT_TRUE(is_within(master.grad, store.flat_grads()));
    }
    for (const auto& leaf : store.leaves()) {
      for (const void* p : {leaf.weight().const_data_ptr(), leaf.grad().const_data_ptr()}) {
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p) % 64, 0u);
      }
      EXPECT_TRUE(is_within(leaf.grad(), store.flat_grads()));
    }
    EXPECT_EQ(store.flat_masters().numel() % 32, 0);
    EXPECT_EQ(store.num_parameters(), 55 + 5 + 55 + 15 + 5);
  }
}

TEST(Layout, PaddingStaysZero) {
  ParameterStore store;
  declare_model(store);
  make_weights(store, store_options(at::kBFloat16), weights_config("constraints: [unit_norm]"));
  at::Tensor rest = store.flat_masters().clone();
  for (const auto& master : store.masters()) rest.narrow(0, master.offset, master.numel).zero_();
  EXPECT_EQ(rest.count_nonzero().item<std::int64_t>(), 0);
}

TEST(Layout, LeavesLieWhereTheirPrecisionSays) {
  ParameterStore fp32;
  declare_model(fp32);
  make_weights(fp32, store_options(at::kFloat));
  for (const auto& leaf : fp32.leaves()) EXPECT_TRUE(is_within(leaf.weight(), fp32.flat_masters()));
  EXPECT_EQ(fp32.memory().weights, 0);

  ParameterStore bf16;
  declare_model(bf16);
  make_weights(bf16, store_options(at::kBFloat16));
  const auto leaves = bf16.leaves();
  for (const std::size_t i : {0u, 2u, 3u}) {
    EXPECT_EQ(leaves[i].weight().scalar_type(), at::kBFloat16);
    EXPECT_EQ(leaves[i].grad().scalar_type(), at::kFloat);
  }
  for (const std::size_t i : {1u, 4u}) EXPECT_TRUE(is_within(leaves[i].weight(), bf16.flat_masters()));
  EXPECT_EQ(bf16.memory().masters, bf16.flat_masters().nbytes());
  EXPECT_EQ(bf16.memory().gradients, bf16.flat_grads().nbytes());
  EXPECT_GE(bf16.memory().weights, 2 * (55 + 55 + 15));
}

TEST(Layout, ParametrizedPartsTakeTheWholeJoinedLeafThroughTheComputeBuffers) {
  for (const auto compute : {at::kFloat, at::kBFloat16}) {
    ParameterStore store;
    declare_model(store);
    make_weights(store, store_options(compute),
                 weights_config("overrides: [{match: {name: '*.k.weight'}, parametrization: weight_norm}]"));
    const auto leaf = store.leaves()[2];
    EXPECT_EQ(leaf.rows(), (std::vector<std::int64_t>{3, 7, 1}));
    EXPECT_FALSE(is_within(leaf.weight(), store.flat_masters()));
    EXPECT_FALSE(is_within(leaf.grad(), store.flat_grads()));
    EXPECT_EQ(leaf.grad().scalar_type(), at::kFloat);
    EXPECT_EQ(master_of(store, "layers.0.mixer.k.weight.g").shape, std::vector<std::int64_t>{7});
    EXPECT_EQ(master_of(store, "layers.0.mixer.q.weight").numel, 15);
    EXPECT_GT(store.memory().gradients, static_cast<std::int64_t>(store.flat_grads().nbytes()));
  }
}

TEST(Layout, GranularityIsTheCoarsest) {
  ParameterStore store;
  declare_model(store);
  make_weights(store, StoreOptions{},
               weights_config("{constraints: [unit_norm], overrides: [{match: {part: ''}, parametrization: plain}, "
                              "{match: {name: '*.o.weight'}, parametrization: weight_norm}]}"));
  EXPECT_EQ(master_of(store, "embedding.weight").granularity, Granularity::kRow);
  EXPECT_EQ(master_of(store, "final_norm.gain").granularity, Granularity::kElement);
  EXPECT_EQ(master_of(store, "layers.0.mixer.o.weight.v").granularity, Granularity::kMatrix);  // rows and columns
}

TEST(Layout, ChoicesSayWhatWasChosen) {
  ParameterStore store;
  declare_model(store);
  store.layout(weights_config("{parametrization: weight_norm, constraints: [unit_norm], init: gpt2, overrides: ["
                              "{match: {role: embedding}, constraints: [], init: {type: normal, std: 1}},"
                              "{match: {name: final_norm.gain}, init: {type: normal, std: 0.5}}]}"),
               4, StoreOptions{});
  const auto choices = store.choices();
  ASSERT_EQ(choices.size(), 7u);
  EXPECT_EQ(choices[0].parametrization, "plain");  // weight_norm leaves embeddings alone
  EXPECT_TRUE(choices[0].constraints.empty());
  EXPECT_EQ(choices[0].init, "normal(0, 1.0)");
  EXPECT_EQ(choices[1].init, "ones");
  EXPECT_EQ(choices[2].parametrization, "weight_norm");
  EXPECT_EQ(choices[2].constraints, std::vector<std::string>{"unit_norm"});
  EXPECT_EQ(choices[2].init, "normal(0, 0.02)");
  EXPECT_EQ(choices[5].init, "normal(0, 0.01)");  // writes the stream, 4 branches
  EXPECT_EQ(choices[6].init, "normal(0, 0.5)");   // an override replaces even a fixed start value
}

TEST(Layout, RefusesWhatHasNoEffect) {
  EXPECT_EQ(layout_error("{}"), "");
  EXPECT_EQ(layout_error("overrides: [{match: {role: inner}, init: normal}]"),
            "weights.overrides.0.match: {role: inner} selects no parameter of this model");
  EXPECT_NE(layout_error("overrides: [{match: {role: gain}, parametrization: weight_norm}]")
                .find("weights.overrides.0.parametrization: weight_norm reaches no parameter"),
            std::string::npos);
  EXPECT_NE(layout_error("overrides: [{match: {role: gain}, constraints: [unit_norm]}]")
                .find("weights.overrides.0.constraints.0: unit_norm applies to no parameter"),
            std::string::npos);
  EXPECT_EQ(layout_error("penalties: [{type: norm_loss, weight: 1, match: {role: gain}}]"),
            "weights.penalties.0: norm_loss reaches no parameter, expected at least one of those that {role: gain} "
            "selects and "
            "that it is defined for");
  EXPECT_NE(layout_error("{constraints: [unit_norm], overrides: [{match: {}, constraints: []}]}")
                .find("weights.constraints.0"),
            std::string::npos);
}

/// w = tanh(v): not every weight has a v.
class Tanh final : public Parametrization {
 public:
  std::vector<MasterSpec> masters(const ParamInfo& info) const override { return {{".v", info.shape}}; }
  Granularity granularity(const ParamInfo&) const override { return Granularity::kElement; }
  void materialise(const std::vector<at::Tensor>& masters, at::Tensor& weight) const override {
    weight.copy_(masters.at(0).tanh());
  }
  void pull_back(const std::vector<at::Tensor>& masters, const at::Tensor& weight_grad,
                 std::vector<at::Tensor>& master_grads) const override {
    master_grads.at(0).copy_(weight_grad * (1 - masters.at(0).tanh().square()));
  }
  void assign(const at::Tensor& weight, std::vector<at::Tensor>& masters) const override {
    masters.at(0).copy_(weight);
  }
  bool can_assign() const override { return false; }
};

TEST(Layout, RefusesConstraintsThatAParametrizationCannotTake) {
  ParametrizationEntry entry;
  entry.name = "tanh";
  entry.make = [](const ConfigObject&) { return std::make_unique<Tanh>(); };
  WeightsConfig config = weights_config("constraints: [unit_norm]");
  config.parametrization.bind(entry, weight_families().get<ParametrizationEntry>().at("plain").defaults);
  ParameterStore store;
  declare_model(store);
  const std::string message = config_error([&] { store.layout(config, 2, StoreOptions{}); });
  EXPECT_NE(message.find("weights.constraints.0: unit_norm cannot act on 'embedding.weight'"), std::string::npos)
      << message;
  config.constraints.clear();
  ParameterStore other;
  declare_model(other);
  make_weights(other, StoreOptions{}, config);
  EXPECT_TRUE(other.leaves()[0].weight().detach().equal(master_of(other, "embedding.weight.v").value.tanh()));
}

TEST(Layout, ReportsAllProblemsAtOnce) {
  const std::string message =
      layout_error("{overrides: [{match: {role: inner}, init: normal}, {match: {role: conv}, init: normal}]}");
  EXPECT_EQ(message,
            "weights.overrides.0.match: {role: inner} selects no parameter of this model\n"
            "weights.overrides.1.match: {role: conv} selects no parameter of this model");
}

TEST(Layout, LargeModelsTakeNoMemory) {
  ParameterStore store;
  const ParamScope root(store);
  for (int i = 0; i < 30; ++i) {
    const ParamScope layer = root.sub("layers." + std::to_string(i)).at(i, "F");
    layer.declare(matrix("ffn.down.weight", 10000, 10000, Role::kWritesStream, 0));
  }
  store.layout(weights_config(), 30, store_options(at::kBFloat16));
  EXPECT_EQ(store.num_parameters(), 3'000'000'000);
  EXPECT_EQ(store.memory().masters, 12'000'000'000);
  EXPECT_EQ(store.memory().gradients, 12'000'000'000);
  EXPECT_EQ(store.memory().weights, 6'000'000'000);
  EXPECT_FALSE(store.allocated());
  EXPECT_FALSE(store.masters().front().value.defined());
}

TEST(Declare, RefusesMistakesOfTheProgram) {
  ParameterStore store;
  const ParamScope root(store);
  root.declare(gain("a", 3));
  EXPECT_THROW(root.declare(gain("a", 3)), std::logic_error);
  EXPECT_THROW(root.declare(gain("", 3)), std::logic_error);
  EXPECT_THROW(root.declare(gain("b", 0)), std::logic_error);
  EXPECT_THROW(root.declare_joined({matrix("c", 2, 3), matrix("d", 2, 4)}), std::logic_error);
  EXPECT_THROW(root.declare_joined({matrix("e", 2, 3), matrix("f", 2, 3, Role::kConv)}), std::logic_error);
  ParameterStore other;
  const ParamScope scope(other);
  scope.declare(gain("a", 3));
  EXPECT_THROW(other.allocate(), std::logic_error);
  other.layout(weights_config(), 0, StoreOptions{});
  EXPECT_THROW(scope.declare(gain("b", 3)), std::logic_error);
  EXPECT_THROW(other.zero_grads(), std::logic_error);
}

TEST(Declare, ScopesNameAndPlace) {
  ParameterStore store;
  const ParamScope mixer = ParamScope(store).sub("layers.4").at(4, "Swa").sub("mixer");
  const auto parts = mixer.declare_joined({matrix("q.weight", 6, 4), matrix("k.weight", 2, 4)});
  const ParamInfo& q = parts[0].info();
  EXPECT_EQ(q.name, "layers.4.mixer.q.weight");
  EXPECT_EQ(q.depth, 4);
  EXPECT_EQ(q.op, "Swa");
  EXPECT_EQ(q.fan_in, 4);
  EXPECT_EQ(q.fan_out, 6);
  make_weights(store, StoreOptions{}, weights_config(), 5);
  EXPECT_TRUE(parts[1].compute().equal(mixer.leaf_of(parts[0]).weight().narrow(0, 6, 2)));
}

}  // namespace
}  // namespace ingot::testing
