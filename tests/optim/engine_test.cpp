#include "optim/engine.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "base/error.h"
#include "base/random.h"
#include "config/units.h"
#include "optim/bench.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"
#include "support/weights.h"

namespace ingot::testing {
namespace {

ScheduleContext run_of(std::int64_t steps) {
  ScheduleContext context;
  context.total_steps = steps;
  return context;
}

void declare(const ParamScope& scope, const std::string& name, std::vector<std::int64_t> shape, RoleSet roles) {
  ParamSpec spec;
  spec.name = name;
  spec.shape = std::move(shape);
  spec.roles = roles;
  scope.declare(spec);
}

/// A small model: 2 sub-layers of odd sizes, one joined leaf.
class Model {
 public:
  explicit Model(const std::string& weights = "{}", at::ScalarType dtype = at::kFloat) {
    const ParamScope root(store);
    declare(root, "embedding.weight", {13, 5}, {Role::kEmbedding, Role::kHead});
    for (int depth = 0; depth < 2; ++depth) {
      const auto layer = root.sub("layers." + std::to_string(depth)).at(depth, "A");
      declare(layer, "input_norm.gain", {5}, Role::kGain);
      layer.declare_joined({joined("mixer.q.weight", "q"), joined("mixer.k.weight", "k")});
      declare(layer, "mixer.o.weight", {5, 3}, Role::kWritesStream);
    }
    declare(root, "final_norm.gain", {5}, Role::kGain);
    make_weights(store, store_options(dtype, dtype), weights_config(weights), 2);
  }

  void randomise_grads(std::uint64_t seed) {
    for (const auto& m : store.masters()) {
      if (m.trained) at::Tensor(m.grad).copy_(random_normal(m.shape, stream_key(seed, m.name)));
    }
  }

  std::unique_ptr<OptimizerEngine> engine(const std::string& yaml, std::int64_t steps = 10) const {
    auto made = std::make_unique<OptimizerEngine>(optim_config(yaml), store, 2, run_of(steps));
    made->allocate();
    return made;
  }

  ParameterStore store;

 private:
  static ParamSpec joined(const std::string& name, const std::string& part) {
    ParamSpec spec;
    spec.name = name;
    spec.shape = {3, 5};
    spec.roles = Role::kReadsStream;
    spec.part = part;
    return spec;
  }
};

TEST(OptimizerEngine, StatesInBfloat16TakeHalf) {
  const Model model;
  const auto wide = model.engine("optimizer: adamw"), narrow = model.engine("{optimizer: adamw, state_type: bf16}");
  EXPECT_EQ(2 * narrow->state_bytes(), wide->state_bytes());
  EXPECT_EQ(narrow->state().front().tensor.scalar_type(), at::kBFloat16);
  // A group's optimizer may allow it where another does not.
  const auto mixed = model.engine(
      "{optimizer: {type: soap}, state_type: bf16, groups: [{name: rest, match: {role: gain}, optimizer: adamw}]}");
  for (const auto& state : mixed->state()) {
    EXPECT_EQ(state.tensor.scalar_type() == at::kBFloat16, state.name.ends_with(".gain")) << state.name;
  }
}

TEST(OptimizerEngine, EmptyStatesAreNotListed) {
  const Model model;
  for (const auto& state : model.engine("{optimizer: {type: soap, max_precond_dim: 5}}")->state()) {
    EXPECT_GT(state.tensor.numel(), 0) << state.name;
  }
}

void run(Model& model, OptimizerEngine& engine, std::int64_t first, std::int64_t last) {
  for (std::int64_t t = first; t <= last; ++t) {
    model.randomise_grads(static_cast<std::uint64_t>(100 + t));
    engine.step(t, engine.measure(0.5).clip_factor * 0.5);
  }
}

at::Tensor state_of(const OptimizerEngine& engine, const std::string& name) {
  for (const auto& state : engine.state()) {
    if (state.name == name) return state.tensor;
  }
  throw std::out_of_range(name);
}

const GroupAssignment& assignment(const OptimizerEngine& engine, const std::string& name) {
  const auto& all = engine.assignments();
  return *std::find_if(all.begin(), all.end(), [&](const auto& a) { return a.master->name == name; });
}

std::string error_of(const std::string& groups) {
  const Model model;
  try {
    model.engine("{optimizer: adamw, groups: " + groups + "}");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(OptimizerEngine, DecayActsOnMatricesOnly) {
  const Model model;
  const auto engine = model.engine("optimizer: {type: adamw, lr: 0.25, weight_decay: 0.1}");
  for (const char* name : {"embedding.weight", "layers.0.mixer.q.weight", "layers.1.mixer.o.weight"}) {
    EXPECT_EQ(assignment(*engine, name).weight_decay, 0.1) << name;
    EXPECT_EQ(assignment(*engine, name).lr, 0.25) << name;
    EXPECT_EQ(assignment(*engine, name).group, "default");
    EXPECT_EQ(assignment(*engine, name).optimizer, "adamw");
  }
  EXPECT_EQ(assignment(*engine, "layers.0.input_norm.gain").weight_decay, 0);
}

TEST(OptimizerEngine, FirstMatchingGroupWins) {
  const Model model;
  const auto engine = model.engine(R"(
optimizer: {type: adamw, lr: 0.25, weight_decay: 0.1}
groups:
  - {name: late, match: {depth: 1, role: [reads_stream, writes_stream]}, lr_scale: 0.5}
  - {name: matrices, match: {role: [reads_stream, writes_stream]}, optimizer: {type: sgd, lr: 0.75}, weight_decay: 0}
  - {name: gains, match: {role: gain}, weight_decay: 0.3, lr: 0.125, lr_scale: 2}
)");
  const auto expect = [&](const std::string& name, const char* group, const char* optimizer, double lr, double decay) {
    const auto& a = assignment(*engine, name);
    EXPECT_EQ(a.group, group) << name;
    EXPECT_EQ(a.optimizer, optimizer) << name;
    EXPECT_EQ(a.lr, lr) << name;
    EXPECT_EQ(a.weight_decay, decay) << name;
  };
  expect("layers.1.mixer.q.weight", "late", "adamw", 0.125, 0.1);
  expect("layers.0.mixer.q.weight", "matrices", "sgd", 0.75, 0);
  expect("final_norm.gain", "gains", "adamw", 0.25, 0.3);
  expect("embedding.weight", "default", "adamw", 0.25, 0.1);
  EXPECT_EQ(engine->assignments().size(), model.store.masters().size());
}

TEST(OptimizerEngine, RefusesBadGroups) {
  EXPECT_NE(error_of("[{name: conv, match: {role: conv}}]").find("'conv' matches no parameter"), std::string::npos);
  EXPECT_NE(error_of("[{name: a, match: {role: gain}}, {name: b, match: {role: gain}}]")
                .find("all parameters that 'b' matches belong to groups before it"),
            std::string::npos);
  EXPECT_NE(error_of("[{name: a, match: {role: gain}}, {name: a, match: {role: head}}]").find("'a' is taken"),
            std::string::npos);
  EXPECT_NE(error_of("[{name: default, match: {role: gain}}]").find("'default' is taken"), std::string::npos);
  EXPECT_EQ(error_of("[{name: a, match: {role: gain}}]"), "");
}

TEST(OptimizerEngine, MeasuresTheNormOfEverything) {
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    Model model("{}", dtype);
    const auto engine = model.engine("{optimizer: adamw, clip: {type: global_norm, max_norm: 0.25}}");
    model.randomise_grads(1);
    double sum = 0;
    for (const auto& m : model.store.masters()) sum += m.grad.to(at::kDouble).square().sum().item<double>();
    const auto measured = engine->measure(0.125);
    EXPECT_NEAR(measured.grad_norm, std::sqrt(sum) * 0.125, 1e-13 * std::sqrt(sum));
    EXPECT_DOUBLE_EQ(measured.clip_factor, 0.25 / (measured.grad_norm + 1e-6));
  }
}

TEST(OptimizerEngine, ShowsBrokenGradients) {
  for (const double value : {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    Model model;
    const auto engine = model.engine("optimizer: adamw");
    model.randomise_grads(1);
    master_of(model.store, "layers.1.mixer.k.weight").grad[2][4] = value;
    EXPECT_FALSE(std::isfinite(engine->measure(1).grad_norm)) << value;
  }
  // The square of the largest fp32 number is not infinite in fp64.
  Model model;
  const auto engine = model.engine("optimizer: adamw");
  master_of(model.store, "final_norm.gain").grad[0] = std::numeric_limits<float>::max();
  EXPECT_TRUE(std::isfinite(engine->measure(1).grad_norm));
}

TEST(OptimizerEngine, NormIgnoresGroupsAndThreads) {
  Model model;
  model.randomise_grads(1);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const double one = model.engine("optimizer: adamw")->measure(1).grad_norm;
  at::set_num_threads(2);
  const double two =
      model.engine("{optimizer: sgd, groups: [{name: g, match: {depth: 1}, optimizer: adamw}]}")->measure(1).grad_norm;
  at::set_num_threads(threads);
  EXPECT_EQ(one, two);
}

TEST(OptimizerEngine, MeasuringChangesNothing) {
  Model model;
  const auto engine = model.engine("optimizer: adamw");
  model.randomise_grads(1);
  const auto values = model.store.flat_masters().clone(), grads = model.store.flat_grads().clone();
  engine->measure(1);
  EXPECT_TRUE(same_bits(model.store.flat_masters(), values));
  EXPECT_TRUE(same_bits(model.store.flat_grads(), grads));
  for (const auto& state : engine->state()) EXPECT_EQ(state.tensor.abs().max().item<float>(), 0) << state.name;
}

TEST(OptimizerEngine, FollowsTheSchedule) {
  Model model;
  auto engine =
      model.engine("{optimizer: {type: sgd, lr: 0.5, momentum: 0}, schedule: {type: linear, warmup: 2 steps}}");
  EXPECT_EQ(engine->lr(1), 0.25);
  EXPECT_EQ(engine->lr(2), 0.5);
  EXPECT_EQ(engine->lr(7), 0.25);
  model.randomise_grads(1);
  const auto& gain = master_of(model.store, "final_norm.gain");
  const auto before = gain.value.clone();
  engine->step(7, 1);
  EXPECT_TRUE(close(gain.value, (before - 0.25 * gain.grad).to(at::kDouble), Tolerance::of(at::kFloat)));
}

TEST(OptimizerEngine, GroupsHaveTheirOwnSchedule) {
  Model model;
  auto engine = model.engine(R"(
optimizer: {type: sgd, lr: 0.5, momentum: 0}
schedule: {type: linear, warmup: 2 steps}
groups: [{name: gains, match: {role: gain}, schedule: constant}]
)");
  model.randomise_grads(1);
  const auto& gain = master_of(model.store, "final_norm.gain");
  const auto before = gain.value.clone();
  engine->step(1, 1);
  EXPECT_TRUE(close(gain.value, (before - 0.5 * gain.grad).to(at::kDouble), Tolerance::of(at::kFloat)));
}

TEST(OptimizerEngine, AnyNumberCanFollowASchedule) {
  // momentum: half-way from 0.1 to 0.9 at update 1; decay: a tenth less with each update.
  Model model;
  auto engine = model.engine(R"(
optimizer: {type: sgd, lr: 0.5, momentum: 0.9, weight_decay: 0.4}
schedules:
  momentum: {from: 0.1, schedule: {type: constant, warmup: 2 steps}}
  weight_decay: {schedule: linear}
)");
  const auto& weight = master_of(model.store, "layers.0.mixer.o.weight");
  const auto one = [&](std::int64_t update) {
    const auto before = weight.value.clone(), buffer = state_of(*engine, "momentum/layers.0.mixer.o.weight").clone();
    model.randomise_grads(static_cast<std::uint64_t>(update));
    engine->step(update, 1);
    const double momentum = update == 1 ? 0.5 : 0.9, decay = 0.4 * (1 - static_cast<double>(update - 1) / 10);
    const auto g = (weight.grad + decay * before).to(at::kDouble);
    EXPECT_TRUE(close(weight.value, before - 0.5 * (momentum * buffer + g), Tolerance::of(at::kFloat))) << update;
  };
  for (const std::int64_t update : {1, 2, 6}) one(update);
}

TEST(OptimizerEngine, RefusesSchedulesOfNothing) {
  const auto error = [](const std::string& schedules) {
    const Model model;
    try {
      model.engine("{optimizer: sgd, schedules: " + schedules + "}");
    } catch (const ConfigError& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_NE(error("{momentun: {schedule: linear}}")
                .find("'momentun' is no number among the settings of sgd, which has lr, momentum"),
            std::string::npos);
  EXPECT_NE(error("{lr: {schedule: linear}}").find("follows `schedule`"), std::string::npos);
  EXPECT_NE(error("{weight_decay: {from: 0.1, schedule: linear}}").find("no `from`"), std::string::npos);
}

TEST(OptimizerEngine, ModifiersActOnTheirGroup) {
  const char* yaml = "{type: adamw, lr: 0.1, betas: [0.9, 0.95]}";
  Model plain, modified;
  auto a = plain.engine("optimizer: " + std::string(yaml));
  auto b = modified.engine("{optimizer: " + std::string(yaml) +
                           ", groups: [{name: outputs, match: {name: \"*.o.weight\"}, modifiers: [cautious]}]}");
  run(plain, *a, 1, 3);
  run(modified, *b, 1, 3);
  for (const Master& master : plain.store.masters()) {
    const bool same = same_bits(master.value, master_of(modified.store, master.name).value);
    EXPECT_EQ(same, master.name.find(".o.") == std::string::npos) << master.name;
  }
}

TEST(OptimizerEngine, ClippersOfUnitsActBeforeTheUpdate) {
  Model model;
  auto engine =
      model.engine("{optimizer: {type: sgd, lr: 1, momentum: 0}, clip: {type: adaptive, ratio: 0.01, eps: 1e-3}}");
  const auto& weight = master_of(model.store, "layers.1.mixer.o.weight");
  const auto before = weight.value.clone();
  model.randomise_grads(1);
  EXPECT_GT(engine->measure(1).grad_norm, 1);
  engine->step(1, 1);
  const auto moved = (weight.value - before).norm(2, 1), limit = 0.01 * before.norm(2, 1).clamp_min(1e-3);
  EXPECT_TRUE((moved <= limit * 1.001).all().item<bool>());
  EXPECT_GT(moved.max().item<double>(), 0);
}

TEST(OptimizerEngine, NamesItsState) {
  const Model model;
  const auto engine = model.engine("{optimizer: adamw, groups: [{name: g, match: {role: gain}, optimizer: sgd}]}");
  std::vector<std::string> names;
  std::int64_t elements = 0;
  for (const auto& state : engine->state()) {
    names.push_back(state.name);
    const auto& master = master_of(model.store, state.name.substr(state.name.find('/') + 1));
    EXPECT_EQ(state.tensor.sizes(), master.value.sizes()) << state.name;
    elements += state.tensor.numel();
  }
  const auto has = [&](const char* name) { return std::count(names.begin(), names.end(), name) == 1; };
  EXPECT_TRUE(has("exp_avg/layers.0.mixer.q.weight"));
  EXPECT_TRUE(has("exp_avg_sq/embedding.weight"));
  EXPECT_TRUE(has("momentum/final_norm.gain"));
  EXPECT_FALSE(has("exp_avg/final_norm.gain"));
  EXPECT_GE(engine->state_bytes(), elements * 4);
}

TEST(OptimizerEngine, KnowsItsMemoryBeforeAllocation) {
  const Model model;
  const OptimizerEngine engine(optim_config("optimizer: adamw"), model.store, 2, run_of(10));
  EXPECT_EQ(engine.state_bytes(), 2 * 4 * (model.store.masters().back().offset + 5));
}

TEST(OptimizerEngine, GroupingDoesNotChangeAnUpdate) {
  Model whole, split;
  auto one = whole.engine("optimizer: {type: adamw, lr: 0.1, weight_decay: 0.1}");
  auto many = split.engine(R"(
optimizer: {type: adamw, lr: 0.1, weight_decay: 0.1}
groups:
  - {name: k, match: {part: k}}
  - {name: gains, match: {role: gain}}
  - {name: last, match: {depth: 1}}
)");
  run(whole, *one, 1, 5);
  run(split, *many, 1, 5);
  EXPECT_TRUE(same_bits(whole.store.flat_masters(), split.store.flat_masters()));
}

TEST(OptimizerEngine, GoesOnFromSavedState) {
  const char* yaml = R"(
optimizer: {type: adamw, lr: 0.1, weight_decay: 0.1}
schedule: {type: cosine, warmup: 2 steps}
clip: {type: global_norm, max_norm: 1}
groups: [{name: gains, match: {role: gain}, optimizer: {type: sgd, lr: 0.1}}]
)";
  Model undisturbed, first, second;
  auto a = undisturbed.engine(yaml), b = first.engine(yaml), c = second.engine(yaml);
  run(undisturbed, *a, 1, 9);
  run(first, *b, 1, 4);
  second.store.flat_masters().copy_(first.store.flat_masters());
  const auto saved = b->state();
  const auto restored = c->state();
  ASSERT_EQ(saved.size(), restored.size());
  for (std::size_t i = 0; i < saved.size(); ++i) {
    ASSERT_EQ(saved[i].name, restored[i].name);
    restored[i].tensor.copy_(saved[i].tensor);
  }
  run(second, *c, 5, 9);
  EXPECT_TRUE(same_bits(undisturbed.store.flat_masters(), second.store.flat_masters()));
}

TEST(OptimizerEngine, ParametrizationsSayWhatDecays) {
  const Model model("parametrization: weight_norm");
  const auto engine = model.engine("optimizer: {type: adamw, weight_decay: 0.1}");
  for (const auto& a : engine->assignments()) {
    EXPECT_TRUE(a.master->trained) << a.master->name;
    const bool decays = a.master->decays && a.master->param->roles.any(matrix_roles());
    EXPECT_EQ(a.weight_decay, decays ? 0.1 : 0) << a.master->name;
  }
}

TEST(OptimizerEngine, PaddingStaysZero) {
  Model model;
  auto engine = model.engine("optimizer: {type: adamw, lr: 0.1, weight_decay: 0.1}");
  run(model, *engine, 1, 3);
  auto padding = model.store.flat_masters().clone();
  for (const auto& m : model.store.masters()) padding.narrow(0, m.offset, m.numel).zero_();
  EXPECT_EQ(padding.abs().max().item<float>(), 0);
}

}  // namespace
}  // namespace ingot::testing
