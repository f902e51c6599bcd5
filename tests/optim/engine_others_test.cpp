// Which parameters go to `optim.optimizer` and which to `optim.others`.

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "config/document.h"
#include "config/problems.h"
#include "optim/bench.h"
#include "optim/engine.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"
#include "support/weights.h"

namespace ingot::testing {
namespace {

/// Embedding, head, gain, convolution, and in each of two layers q of 2 heads, beta with one row a head, and an output.
class Model {
 public:
  explicit Model(const std::string& weights = "{}") {
    const ParamScope root(store);
    const auto declare = [](const ParamScope& scope, const std::string& name, std::vector<std::int64_t> shape,
                            RoleSet roles, std::int64_t head_rows = 0) {
      ParamSpec spec;
      spec.name = name;
      spec.shape = std::move(shape);
      spec.roles = roles;
      spec.head_rows = head_rows;
      scope.declare(spec);
    };
    declare(root, "embedding.weight", {13, 6}, Role::kEmbedding);
    for (int depth = 0; depth < 2; ++depth) {
      const auto layer = root.sub("layers." + std::to_string(depth)).at(depth, "D");
      declare(layer, "norm.gain", {6}, Role::kGain);
      declare(layer, "q.weight", {8, 6}, Role::kReadsStream, 4);
      declare(layer, "beta.weight", {2, 6}, Role::kReadsStream, 1);
      declare(layer, "conv.weight", {8, 4}, Role::kConv);
      declare(layer, "o.weight", {6, 8}, Role::kWritesStream);
    }
    declare(root, "head.weight", {13, 6}, Role::kHead);
    make_weights(store, store_options(at::kDouble, at::kDouble), weights_config(weights), 2);
  }

  std::unique_ptr<OptimizerEngine> engine(const std::string& yaml) const {
    ScheduleContext run;
    run.total_steps = 10;
    auto made = std::make_unique<OptimizerEngine>(optim_config(yaml), store, 2, run);
    made->allocate();
    return made;
  }

  ParameterStore store;
};

const GroupAssignment& assignment(const OptimizerEngine& engine, const std::string& name) {
  const auto& all = engine.assignments();
  return *std::find_if(all.begin(), all.end(), [&](const auto& a) { return a.master->name == name; });
}

void expect(const OptimizerEngine& engine, const std::string& name, const std::string& group,
            const std::string& optimizer, double lr, double decay) {
  const auto& a = assignment(engine, name);
  EXPECT_EQ(a.group, group) << name;
  EXPECT_EQ(a.optimizer, optimizer) << name;
  EXPECT_DOUBLE_EQ(a.lr, lr) << name;
  EXPECT_DOUBLE_EQ(a.weight_decay, decay) << name;
}

std::vector<std::string> group_names(const OptimizerEngine& engine) {
  std::vector<std::string> names;
  for (const auto& group : engine.groups()) names.push_back(group.name);
  return names;
}

std::string error_of(const std::string& yaml) {
  try {
    Model().engine(yaml);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

using Names = std::vector<std::string>;

TEST(EngineOthers, MatricesInsideTheStackGoToMuonAndTheRestToAdamw) {
  const Model model;
  const auto engine = model.engine(
      "{optimizer: {type: muon, lr: 0.02, weight_decay: 0.1}, others: {type: lion, lr: 0.003, weight_decay: 0.2}}");
  for (const char* name : {"layers.0.q.weight", "layers.1.o.weight"})
    expect(*engine, name, "default", "muon", 0.02, 0.1);
  for (const char* name : {"embedding.weight", "head.weight", "layers.0.beta.weight"}) {
    expect(*engine, name, "others", "lion", 0.003, 0.2);
  }
  for (const char* name : {"layers.0.conv.weight", "layers.1.norm.gain"}) {
    expect(*engine, name, "others", "lion", 0.003, 0);
  }
  EXPECT_EQ(group_names(*engine), (Names{"default", "others"}));
  EXPECT_EQ(engine->lr(1), 0.02);
  EXPECT_EQ(engine->lr(1, "others"), 0.003);
  const auto plain = model.engine("optimizer: muon");
  expect(*plain, "embedding.weight", "others", "adamw", 1e-3, 0);
}

TEST(EngineOthers, OptimizersOfEverythingLeaveNoOthers) {
  const Model model;
  const auto engine = model.engine("{optimizer: sgd, others: lion}");
  EXPECT_EQ(group_names(*engine), Names{"default"});
}

TEST(EngineOthers, BothTrainTheirShare) {
  Model model;
  const auto engine = model.engine("{optimizer: {type: muon, lr: 0.1}, others: {type: signum, lr: 0.5, momentum: 0}}");
  const at::Tensor before = model.store.flat_masters().clone();
  for (const auto& m : model.store.masters()) at::Tensor(m.grad).copy_(random_normal(m.shape, m.index + 1));
  engine->step(1, 1);
  for (const auto& m : model.store.masters()) {
    const at::Tensor moved = before.narrow(0, m.offset, m.numel).view(m.shape) - m.value;
    if (assignment(*engine, m.name).group == "others") {
      EXPECT_TRUE(close(moved, m.grad.sign() * 0.5, Tolerance::of(at::kDouble).chain(8))) << m.name;
    } else {
      EXPECT_NEAR(moved.norm().item<double>(), 0.1 * std::sqrt(6) * 0.9, 0.1) << m.name;
      EXPECT_GT(moved.norm().item<double>(), 0.1) << m.name;
    }
  }
  // States go by the parameters' names, whoever keeps them.
  Names states;
  for (const auto& state : engine->state()) states.push_back(state.name);
  EXPECT_EQ(std::count(states.begin(), states.end(), "momentum/layers.0.q.weight"), 1);
  EXPECT_EQ(std::count(states.begin(), states.end(), "momentum/embedding.weight"), 1);
  EXPECT_EQ(states.size(), model.store.masters().size());
}

TEST(EngineOthers, GroupsChangeRatesAndDecayOfBoth) {
  const Model model;
  const auto engine = model.engine(R"(
optimizer: {type: muon, lr: 0.02, weight_decay: 0.1}
others: {type: adamw, lr: 0.003}
groups:
  - {name: embedding, match: {role: embedding}, lr: 0.3, schedule: {type: linear}}
  - {name: head, match: {role: head}, optimizer: {type: sgd, lr: 0.5}}
  - {name: late, match: {depth: 1}, lr_scale: 0.5, weight_decay: 0.4}
)");
  expect(*engine, "embedding.weight", "embedding", "adamw", 0.3, 0);  // all of it is others'
  expect(*engine, "head.weight", "head", "sgd", 0.5, 0);
  expect(*engine, "layers.1.q.weight", "late", "muon", 0.01, 0.4);
  expect(*engine, "layers.1.norm.gain", "late others", "adamw", 0.0015, 0.4);
  expect(*engine, "layers.0.q.weight", "default", "muon", 0.02, 0.1);
  expect(*engine, "layers.0.norm.gain", "others", "adamw", 0.003, 0);
  auto names = group_names(*engine);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (Names{"default", "embedding", "head", "late", "late others", "others"}));
  EXPECT_DOUBLE_EQ(engine->lr(6, "embedding"), 0.3 * 0.5);
  EXPECT_DOUBLE_EQ(engine->lr(6, "late others"), 0.0015);
}

/// A schedule of a number that one of both has moves it there.
TEST(EngineOthers, SchedulesOfNumbersGoToWhoHasThem) {
  const Model model;
  EXPECT_NO_THROW(
      model.engine("{optimizer: muon, schedules: {momentum: {from: 0.85, schedule: linear}, eps: {schedule: linear}, "
                   "betas.0: {from: 0.5, schedule: linear}, weight_decay: {schedule: linear}}}"));
  EXPECT_NE(
      error_of("{optimizer: muon, schedules: {gamma: {from: 0.85, schedule: linear}}}").find("'gamma' is no number"),
      std::string::npos);
}

TEST(EngineOthers, AGroupsOwnOptimizerHasToTakeWhatItMatches) {
  const auto error =
      error_of("{optimizer: sgd, groups: [{name: first, match: {depth: 0}, optimizer: {type: muon, lr: 0.02}}]}");
  EXPECT_EQ(error,
            "optim.groups: muon trains matrices inside the stack alone, but 'first' gives it 'layers.0.norm.gain' [6], "
            "expected a narrower `match` or an optimizer that takes everything");
  EXPECT_EQ(error_of("{optimizer: sgd, groups: [{name: q, match: {name: '*.q.weight'}, optimizer: muon}]}"), "");
  EXPECT_NE(error_of("{optimizer: muon, groups: [{name: others, match: {depth: 0}}]}").find("'others' is taken"),
            std::string::npos);
}

TEST(EngineOthers, OthersHaveToTakeEverything) {
  const auto config = optim_config("{optimizer: muon, others: muon}");
  const auto document = Document::parse("optim: {optimizer: muon, others: muon}", "test.yaml");
  Problems problems(document);
  validate(config, problems);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_NE(problems.lines()[0].find("test.yaml:1:"), std::string::npos) << problems.lines()[0];
  EXPECT_NE(problems.lines()[0].find("muon trains matrices inside the stack alone"), std::string::npos);
}

/// SCALE averages gradients of the head alone.
TEST(EngineOthers, StatesThatAParameterLacksAreNotSaved) {
  const Model model;
  const auto engine = model.engine("{optimizer: scale, others: {type: sgd, momentum: 0}}");
  Names states;
  for (const auto& state : engine->state()) states.push_back(state.name);
  EXPECT_EQ(std::count(states.begin(), states.end(), "momentum/head.weight"), 1);
  EXPECT_EQ(std::count(states.begin(), states.end(), "momentum/layers.0.q.weight"), 0);
  EXPECT_EQ(std::count(states.begin(), states.end(), "momentum/embedding.weight"), 0);
}

/// Lengths that a parametrization keeps beside a matrix are vectors.
TEST(EngineOthers, LengthsOfAParametrizationAreOthers) {
  const Model model("parametrization: {type: weight_norm, per: row}");
  const auto engine = model.engine("optimizer: muon");
  EXPECT_EQ(assignment(*engine, "layers.0.q.weight.v").optimizer, "muon");
  EXPECT_EQ(assignment(*engine, "layers.0.q.weight.g").optimizer, "adamw");
}

}  // namespace
}  // namespace ingot::testing
