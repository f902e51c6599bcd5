// Start values, gradients and the steps of an update.

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/stack.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "params/store.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"
#include "support/weights.h"

namespace ingot::testing {
namespace {

constexpr std::int64_t kIn = 24;

ParamSpec matrix(std::string name, std::int64_t out, RoleSet roles = Role::kReadsStream, int axis = 1) {
  ParamSpec spec;
  spec.name = std::move(name);
  spec.shape = {out, kIn};
  spec.roles = roles;
  spec.hidden_axis = axis;
  return spec;
}

ParamSpec gain(std::string name) {
  ParamSpec spec;
  spec.name = std::move(name);
  spec.shape = {kIn};
  spec.roles = Role::kGain;
  spec.fixed_init = constant_init(1);
  return spec;
}

/// q, k, v as one leaf or as three, a gain between them and another matrix.
struct Model {
  explicit Model(bool is_joined = true) {
    const ParamScope root(store);
    const std::vector<ParamSpec> specs = {matrix("q.weight", 8), matrix("k.weight", 5), matrix("v.weight", 3)};
    if (is_joined) {
      leaves = {root.leaf_of(root.declare_joined(specs)[0])};
    } else {
      for (const auto& spec : specs) leaves.push_back(root.leaf_of(root.declare(spec)));
    }
    norm = root.leaf_of(root.declare(gain("norm.gain")));
    down = root.leaf_of(root.declare(matrix("down.weight", kIn, Role::kWritesStream, 0)));
  }

  at::Tensor forward(const at::Tensor& x) const {
    std::vector<at::Tensor> out;
    const at::Tensor h = (x * norm.weight()).to(leaves[0].weight().scalar_type());
    for (const auto& leaf : leaves) out.push_back(at::mm(h, leaf.weight().t()));
    return at::mm(at::cat(out, 1).tanh().sum(1, true) * h, down.weight().t());
  }

  ParameterStore store;
  std::vector<WeightLeaf> leaves;
  WeightLeaf norm, down;
};

const char* const kConfigs[] = {
    "{}",
    "constraints: [unit_norm]",
    "parametrization: weight_norm",
    "parametrization: spectral_norm",
    "{parametrization: weight_norm, constraints: [unit_norm]}",
    "overrides: [{match: {name: k.weight}, parametrization: {type: weight_norm, per: matrix}}]"};

std::map<std::string, at::Tensor> state_of(const ParameterStore& store) {
  std::map<std::string, at::Tensor> out;
  for (const auto& state : store.state()) out.emplace(state.name, state.tensor.clone());
  return out;
}

TEST(Initialise, DependsOnSeedAndNameAlone) {
  Model a, b(false);
  make_weights(a.store, StoreOptions{}, weights_config(), 4, 7);
  ParameterStore other;
  ParamScope(other).declare(matrix("down.weight", kIn, Role::kWritesStream, 0));
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  make_weights(b.store, StoreOptions{}, weights_config(), 4, 7);
  make_weights(other, StoreOptions{}, weights_config(), 4, 7);
  at::set_num_threads(threads);
  for (const auto& [name, value] : state_of(a.store)) EXPECT_TRUE(same_bits(value, state_of(b.store).at(name)));
  EXPECT_TRUE(same_bits(other.state()[0].tensor, state_of(a.store).at("down.weight")));
  Model c;
  make_weights(c.store, StoreOptions{}, weights_config(), 4, 8);
  EXPECT_FALSE(state_of(c.store).at("q.weight").equal(state_of(a.store).at("q.weight")));
  EXPECT_TRUE(state_of(c.store).at("norm.gain").equal(state_of(a.store).at("norm.gain")));
}

TEST(Initialise, SameValuesInEveryPrecision) {
  Model a, b, c;
  make_weights(a.store, fp64_options());
  make_weights(b.store, StoreOptions{});
  make_weights(c.store, store_options(at::kBFloat16));
  EXPECT_TRUE(same_bits(b.store.flat_masters(), a.store.flat_masters().to(at::kFloat)));
  EXPECT_TRUE(same_bits(c.store.flat_masters(), b.store.flat_masters()));
}

TEST(Initialise, WeightNormStartsAtThePlainWeight) {
  Model a, b;
  make_weights(a.store, fp64_options());
  make_weights(b.store, fp64_options(), weights_config("parametrization: weight_norm"));
  EXPECT_TRUE(close(b.down.weight(), a.down.weight(), Tolerance::of(at::kDouble)));
  EXPECT_TRUE(close(b.leaves[0].weight(), a.leaves[0].weight(), Tolerance::of(at::kDouble)));
}

TEST(Step, LeavesKeepTheirIdentity) {
  for (const char* yaml : kConfigs) {
    for (const auto compute : {at::kFloat, at::kBFloat16}) {
      Model model;
      make_weights(model.store, store_options(compute), weights_config(yaml));
      const at::Tensor weight = model.leaves[0].weight();
      const void* data = weight.const_data_ptr();
      const void* grad = model.leaves[0].grad().const_data_ptr();
      for (int i = 0; i < 2; ++i) {
        model.store.zero_grads();
        model.forward(random_normal({4, kIn}, i, at::kFloat)).sum().backward();
        model.store.pull_back();
        {
          at::NoGradGuard no_grad;
          for (const auto& master : model.store.masters()) {
            if (master.trained) master.value.sub_(master.grad, 0.1);
          }
        }
        model.store.constrain({1});
        model.store.advance();
        model.store.materialise();
        EXPECT_TRUE(model.leaves[0].weight().is_same(weight));
        EXPECT_TRUE(weight.is_leaf() && weight.requires_grad());
        EXPECT_EQ(weight.const_data_ptr(), data);
        EXPECT_EQ(weight.grad().const_data_ptr(), grad);
      }
    }
  }
}

TEST(Step, UpdatesReachTheComputeWeights) {
  for (const char* yaml : kConfigs) {
    Model low, high;
    make_weights(low.store, store_options(at::kBFloat16), weights_config(yaml));
    make_weights(high.store, StoreOptions{}, weights_config(yaml));
    for (Model* model : {&low, &high}) {
      for (const auto& master : model->store.masters()) {
        master.value.add_(random_normal(master.shape, 3, at::kFloat));
      }
      model->store.constrain({1});
      model->store.materialise();
    }
    EXPECT_TRUE(same_bits(low.leaves[0].weight(), high.leaves[0].weight().to(at::kBFloat16))) << yaml;
    EXPECT_TRUE(same_bits(low.down.weight(), high.down.weight().to(at::kBFloat16))) << yaml;
    EXPECT_TRUE(same_bits(low.norm.weight(), high.norm.weight())) << yaml;
  }
}

TEST(Step, JoinedLeavesEqualSeparateOnes) {
  for (const char* yaml : kConfigs) {
    Model joined, separate(false);
    const at::Tensor x = random_normal({6, kIn}, 5);
    for (Model* model : {&joined, &separate}) {
      make_weights(model->store, fp64_options(), weights_config(yaml));
      model->store.zero_grads();
      model->forward(x).square().sum().backward();
      model->store.pull_back();
    }
    const auto values = state_of(separate.store);
    for (const auto& master : joined.store.masters()) {
      const Master& twin = master_of(separate.store, master.name);
      EXPECT_TRUE(same_bits(master.value, twin.value)) << master.name;
      if (!master.trained) continue;
      EXPECT_TRUE(close(master.grad, twin.grad, Tolerance::of(at::kDouble).reduction(64).chain(4))) << master.name;
    }
  }
}

TEST(Step, GradientsAreThoseOfTheMasters) {
  // One check through the whole path: masters -> compute weights -> loss, against pull_back.
  for (const char* yaml : kConfigs) {
    Model model;
    make_weights(model.store, fp64_options(), weights_config(yaml));
    const at::Tensor x = random_normal({6, kIn}, 5);
    const auto loss = [&] {
      model.store.materialise();
      return model.forward(x).tanh().sum();
    };
    model.store.zero_grads();
    loss().backward();
    model.store.pull_back();
    for (const auto& master : model.store.masters()) {
      if (!master.trained) continue;
      const at::Tensor direction = random_normal(master.shape, 11), kept = master.value.clone();
      const double h = 1e-6;
      master.value.copy_(kept.add(direction, h));
      const double above = loss().item<double>();
      master.value.copy_(kept.sub(direction, h));
      const double below = loss().item<double>();
      master.value.copy_(kept);
      const double numeric = (above - below) / (2 * h), analytic = (master.grad * direction).sum().item<double>();
      EXPECT_NEAR(numeric, analytic, 1e-7 * (1 + std::abs(analytic) + master.grad.norm().item<double>()))
          << master.name;
    }
  }
}

/// Twice what writes the stream, wherever it is used.
struct Doubled final : Scaling {
  double forward(const ParamInfo& info) const override { return info.roles.has(Role::kWritesStream) ? 2 : 1; }
};

TEST(Step, ForwardFactorsOfAScalingAreOutsideOfWhatIsTrained) {
  ScalingEntry entry;
  entry.name = "doubled";
  entry.make = [](const ConfigObject&, const ScalingContext&) { return std::make_unique<Doubled>(); };
  for (const char* yaml : kConfigs) {
    if (std::string(yaml).find("unit_norm") != std::string::npos) continue;  // acts on the product
    auto config = weights_config(yaml);
    Model plain, doubled;
    make_weights(plain.store, fp64_options(), config);
    config.scaling.bind(entry, config.scaling.entry().defaults);
    make_weights(doubled.store, fp64_options(), config);
    const auto tolerance = Tolerance::of(at::kDouble).reduction(kIn);
    for (const auto& [name, value] : state_of(plain.store)) {
      EXPECT_TRUE(close(state_of(doubled.store).at(name), value, tolerance)) << yaml << " " << name;
    }
    EXPECT_TRUE(close(doubled.down.weight(), plain.down.weight() * 2, tolerance)) << yaml;
    for (Model* model : {&plain, &doubled}) {
      model->store.zero_grads();
      (model->down.weight() * random_normal({kIn, kIn}, 5)).sum().backward();
      model->store.pull_back();
    }
    for (const auto& master : plain.store.masters()) {
      if (!master.trained || master.param->name != "down.weight") continue;
      EXPECT_TRUE(close(master_of(doubled.store, master.name).grad, master.grad * 2, tolerance)) << yaml;
    }
    EXPECT_NE(doubled.store.choices().back().parametrization_text.find(" x 2"), std::string::npos) << yaml;
  }
}

TEST(Step, SeveralUsesInOneBackwardAddUpInMasterPrecision) {
  constexpr int kUses = 64;
  Model model;
  make_weights(model.store, store_options(at::kBFloat16));
  const auto& leaf = model.down;
  at::Tensor exact = at::zeros({kIn, kIn}, at::kDouble);
  std::vector<at::Tensor> inputs, upstream, outputs;
  for (int i = 0; i < kUses; ++i) {
    const at::Tensor x = random_normal({16, kIn}, 2 * i, at::kBFloat16),
                     dy = random_normal({16, kIn}, 2 * i + 1, at::kBFloat16);
    // Products of one use, as autograd makes them in bf16; only their sum is under test.
    exact += at::mm(dy.t(), x).to(at::kDouble);
    outputs.push_back((at::mm(x, leaf.weight().t()).to(at::kFloat) * dy.to(at::kFloat)).sum());
  }
  const auto tolerance = Tolerance::of(at::kFloat).reduction(kUses);
  model.store.zero_grads();
  at::stack(outputs).sum().backward();
  EXPECT_TRUE(close(leaf.grad(), exact, tolerance));
  EXPECT_TRUE(leaf.grad().is_alias_of(model.store.flat_grads()));
}

TEST(Step, MicroBatchesAddUpUntilGradientsAreCleared) {
  for (const char* yaml : kConfigs) {
    Model model;
    make_weights(model.store, fp64_options(), weights_config(yaml));
    const at::Tensor x = random_normal({6, kIn}, 5);
    const auto gradients = [&](std::vector<at::Tensor> batches) {
      model.store.zero_grads();
      for (const auto& batch : batches) model.forward(batch).square().sum().backward();
      model.store.pull_back();
      return model.store.flat_grads().clone();
    };
    const at::Tensor whole = gradients({x}), parts = gradients({x.narrow(0, 0, 2), x.narrow(0, 2, 4)});
    EXPECT_TRUE(close(parts, whole, Tolerance::of(at::kDouble).reduction(64).chain(4))) << yaml;
  }
}

TEST(Step, GraphsFromBeforeAnUpdateAreCaught) {
  Model model;
  make_weights(model.store, store_options(at::kBFloat16));
  const at::Tensor x = random_normal({2, kIn}, 1, at::kFloat).requires_grad_();
  const at::Tensor loss = model.forward(x).sum();
  model.store.materialise();
  EXPECT_THROW(loss.backward(), c10::Error);
}

TEST(Step, ConstraintsHoldAfterEveryStep) {
  for (const char* parametrization : {"plain", "weight_norm", "{type: weight_norm, per: matrix}"}) {
    Model model;
    make_weights(model.store, fp64_options(),
                 weights_config(std::string("{constraints: [unit_norm], parametrization: ") + parametrization + "}"));
    for (int i = 0; i < 2; ++i) {
      EXPECT_TRUE(close(model.leaves[0].weight().detach().square().sum(1), at::ones({16}, at::kDouble),
                        Tolerance::of(at::kDouble).reduction(kIn)));
      EXPECT_TRUE(close(model.down.weight().detach().square().sum(0), at::ones({kIn}, at::kDouble),
                        Tolerance::of(at::kDouble).reduction(kIn)));
      for (const auto& master : model.store.masters()) master.value.add_(random_normal(master.shape, i));
      model.store.constrain({1});
      model.store.materialise();
    }
  }
}

TEST(Step, ExchangeBringsOtherMastersAndRestores) {
  for (const char* yaml : kConfigs) {
    for (const auto compute : {at::kFloat, at::kBFloat16}) {
      Model model;
      make_weights(model.store, store_options(compute), weights_config(yaml));
      const at::Tensor masters = model.store.flat_masters().clone(), average = masters * 0.5;
      const at::Tensor weight = model.down.weight().detach().clone();
      at::Tensor swapped = average.clone();
      model.store.exchange_masters(swapped);
      EXPECT_TRUE(same_bits(model.store.flat_masters(), average));
      EXPECT_TRUE(same_bits(swapped, masters));
      EXPECT_FALSE(model.down.weight().detach().equal(weight));
      model.store.exchange_masters(swapped);
      EXPECT_TRUE(same_bits(model.store.flat_masters(), masters));
      EXPECT_TRUE(same_bits(model.down.weight(), weight));
    }
  }
  Model model;
  make_weights(model.store, StoreOptions{});
  EXPECT_THROW(model.store.exchange_masters(model.store.flat_masters().narrow(0, 1, 4)), std::logic_error);
}

BufferSpec running_mean() {
  BufferSpec spec;
  spec.name = "mean";
  spec.shape = {3};
  spec.accumulator_shape = {2, 3};
  spec.initial = 2;
  spec.update = [](at::Tensor& value, const at::Tensor& accumulator, std::int64_t number) {
    value.mul_(0.5).add_(accumulator.sum(0), static_cast<double>(number));
  };
  return spec;
}

TEST(Buffers, AreAppliedOncePerStep) {
  ParameterStore store;
  const Buffer buffer = ParamScope(store).sub("layers.0.norm").declare_buffer(running_mean());
  ParamScope(store).declare(gain("a"));
  make_weights(store, StoreOptions{});
  EXPECT_TRUE(buffer.value().equal(at::full({3}, 2.0)));
  buffer.accumulator().add_(1);
  buffer.accumulator().add_(1);
  EXPECT_TRUE(buffer.value().equal(at::full({3}, 2.0)));  // the step's start
  EXPECT_TRUE(store.flat_accumulators().equal(at::full({6}, 2.0)));
  store.apply_buffers(3);
  EXPECT_TRUE(buffer.value().equal(at::full({3}, 13.0)));
  EXPECT_TRUE(buffer.accumulator().equal(at::zeros({2, 3})));
  // A skipped step leaves nothing behind.
  buffer.accumulator().add_(std::numeric_limits<float>::quiet_NaN());
  store.zero_grads();
  EXPECT_TRUE(buffer.accumulator().equal(at::zeros({2, 3})));
  EXPECT_EQ(store.state().back().name, "layers.0.norm.mean");
  EXPECT_TRUE(store.state().back().tensor.is_alias_of(buffer.value()));
}

TEST(State, RoundTripGivesTheSameBits) {
  for (const char* yaml : kConfigs) {
    Model saved, loaded;
    make_weights(saved.store, store_options(at::kBFloat16), weights_config(yaml), 4, 1);
    make_weights(loaded.store, store_options(at::kBFloat16), weights_config(yaml), 4, 2);
    const auto values = state_of(saved.store);
    for (auto& state : loaded.store.state()) state.tensor.copy_(values.at(state.name));
    loaded.store.materialise();
    EXPECT_TRUE(same_bits(loaded.store.flat_masters(), saved.store.flat_masters()));
    EXPECT_TRUE(same_bits(loaded.leaves[0].weight(), saved.leaves[0].weight()));
    EXPECT_TRUE(same_bits(loaded.down.weight(), saved.down.weight()));
  }
}

TEST(Fp64, PassesGradientChecks) {
  Model model;
  make_weights(model.store, fp64_options(), weights_config("parametrization: weight_norm"));
  const auto f = [&](const std::vector<at::Tensor>& in) { return std::vector<at::Tensor>{model.forward(in[0])}; };
  EXPECT_TRUE(gradcheck(f, {random_normal({3, kIn}, 1)}, checked_parameters(model.store)));
}

}  // namespace
}  // namespace ingot::testing
