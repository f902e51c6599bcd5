// Weights to evaluate that are others than the masters, as the engine keeps them.

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/random.h"
#include "optim/bench.h"
#include "optim/engine.h"
#include "support/tolerance.h"
#include "support/weights.h"

namespace ingot::testing {
namespace {

constexpr std::int64_t kSteps = 8;

/// A matrix that reads the stream, which may have a parametrization with a state, and a gain.
class Trained {
 public:
  explicit Trained(const std::string& optim, const std::string& weights = "{}") {
    const ParamScope root(store);
    declare(root, "layers.0.in.weight", {6, 5}, Role::kReadsStream);
    declare(root, "layers.0.norm.gain", {5}, Role::kGain);
    make_weights(store, fp64_options(), weights_config(weights), 2);
    ScheduleContext context;
    context.total_steps = kSteps;
    engine = std::make_unique<OptimizerEngine>(optim_config(optim), store, 2, context);
    engine->allocate();
  }

  void step(std::int64_t update) {
    for (const auto& m : store.masters()) {
      if (m.trained) at::Tensor(m.grad).copy_(random_normal(m.shape, stream_key(40 + update, m.name)));
    }
    engine->measure(1);
    engine->step(update, 1);
    engine->average(update);
  }

  ParameterStore store;
  std::unique_ptr<OptimizerEngine> engine;

 private:
  static void declare(const ParamScope& scope, const std::string& name, std::vector<std::int64_t> shape, Role role) {
    ParamSpec spec;
    spec.name = name;
    spec.shape = std::move(shape);
    spec.roles = role;
    scope.declare(spec);
  }
};

/// The weights after each of the steps, from 1, and what the engine would have evaluated.
struct Course {
  std::vector<at::Tensor> trained, evaluated;
};
Course course_of(Trained& model) {
  Course out;
  for (std::int64_t t = 1; t <= kSteps; ++t) {
    model.step(t);
    out.trained.push_back(model.store.flat_masters().clone());
    out.evaluated.push_back(model.engine->evaluation_weights(t));
  }
  return out;
}

std::string optim(const std::string& average) {
  return "{optimizer: {type: adamw, lr: 0.1}, average: " + average + "}";
}

TEST(EvaluationWeights, AreTheMastersUnlessSomethingSaysOtherwise) {
  Trained model("optimizer: adamw");
  EXPECT_FALSE(model.engine->has_evaluation_weights());
  model.step(1);
  EXPECT_FALSE(model.engine->evaluation_weights(1).defined());
}

TEST(EvaluationWeights, TheTailIsAMeanFromItsStartOn) {
  Trained model(optim("{type: tail, start: 3 steps, every: 2}"));
  const auto [trained, evaluated] = course_of(model);
  // Updates 4, 6 and 8 enter.
  for (int t = 0; t < 3; ++t) EXPECT_FALSE(evaluated[t].defined());
  EXPECT_TRUE(same_bits(evaluated[3], trained[3]));
  EXPECT_TRUE(same_bits(evaluated[4], trained[3]));
  EXPECT_TRUE(close(evaluated[7], (trained[3] + trained[5] + trained[7]) / 3, Tolerance::of(at::kDouble).chain(3)));
  EXPECT_EQ(model.engine->averaged(), 3);
}

TEST(EvaluationWeights, AShareOfThoseThatMatchIsBlendedIn) {
  Trained model(optim("{type: ema, decay: 0.5, correct_bias: false, blend: 0.6, match: {role: gain}}"));
  const auto [trained, evaluated] = course_of(model);
  at::Tensor average = trained[0].clone();
  for (int t = 1; t < kSteps; ++t) average = 0.5 * average + 0.5 * trained[t];
  at::Tensor expected = trained.back().clone();
  const Master& gain = master_of(model.store, "layers.0.norm.gain");
  const auto blended = (0.4 * trained.back() + 0.6 * average).narrow(0, gain.offset, gain.numel);
  expected.narrow(0, gain.offset, gain.numel).copy_(blended);
  EXPECT_TRUE(close(evaluated.back(), expected, Tolerance::of(at::kDouble).chain(kSteps)));
  const Master& matrix = master_of(model.store, "layers.0.in.weight");
  const auto part = [&](const at::Tensor& flat) { return flat.narrow(0, matrix.offset, matrix.numel); };
  EXPECT_TRUE(same_bits(part(evaluated.back()), part(trained.back())));
  EXPECT_EQ(model.engine->average_state().size(), 1u);
  EXPECT_EQ(model.engine->average_state()[0].name, "layers.0.norm.gain@average");
}

TEST(EvaluationWeights, GoOnFromSavedState) {
  const char* const settings[] = {"{optimizer: adamw, average: {type: ema, decay: 0.7}}",
                                  "{optimizer: {type: schedule_free_adamw, lr: 0.1}, schedule: {type: constant, "
                                  "warmup: 6 steps}}",
                                  "{optimizer: adamw, schedule: linear, modifiers: [{type: look_ahead, decay: 0.8}]}"};
  for (const auto* text : settings) {
    SCOPED_TRACE(text);
    Trained whole(text), first(text), second(text);
    const auto expected = course_of(whole).evaluated.back();
    for (std::int64_t t = 1; t <= 4; ++t) first.step(t);
    second.store.flat_masters().copy_(first.store.flat_masters());
    const auto saved = first.engine->state(), restored = second.engine->state();
    ASSERT_EQ(saved.size(), restored.size());
    for (std::size_t i = 0; i < saved.size(); ++i) at::Tensor(restored[i].tensor).copy_(saved[i].tensor);
    second.engine->restore_averaged(first.engine->averaged());
    for (std::int64_t t = 5; t <= kSteps; ++t) second.step(t);
    EXPECT_TRUE(same_bits(second.engine->evaluation_weights(kSteps), expected));
    EXPECT_FALSE(same_bits(expected, whole.store.flat_masters()));
  }
}

TEST(EvaluationWeights, StatesOfParametrizationsAreNotAveraged) {
  Trained model(optim("{type: ema, decay: 0.7}"), "parametrization: spectral_norm");
  for (const auto& master : model.store.masters()) {
    const auto states = model.engine->average_state();
    const bool is_averaged = std::any_of(states.begin(), states.end(),
                                         [&](const auto& state) { return state.name == master.name + "@average"; });
    EXPECT_EQ(is_averaged, master.trained) << master.name;
  }
}

TEST(EvaluationWeights, AveragesCountInTheBytesOfState) {
  const Trained with(optim("{type: tail}")), without(optim("none"));
  EXPECT_EQ(with.engine->state_bytes() - without.engine->state_bytes(), (30 + 5) * 8);
}

std::string error_of(const std::string& text) {
  try {
    const Trained model(text);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(EvaluationWeights, OneRuleAtMostSaysWhatTheyAre) {
  EXPECT_NE(error_of("{optimizer: schedule_free_adamw, average: ema}").find("optim.average: the default group"),
            std::string::npos);
  EXPECT_NE(error_of("{optimizer: schedule_free_adamw, modifiers: [look_ahead]}").find("optim.modifiers"),
            std::string::npos);
  EXPECT_NE(error_of(optim("{type: ema, match: {name: nothing}}")).find("matches no parameter"), std::string::npos);
}

}  // namespace
}  // namespace ingot::testing
