// Rules of decay (`optim.decay`) through the engine, and constraints that change updates.

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "optim/bench.h"
#include "optim/engine.h"
#include "support/golden.h"
#include "support/tolerance.h"
#include "support/weights.h"

namespace ingot::testing {
namespace {

/// A matrix between activations, a head and a gain under one engine, in fp64.
struct Weights {
  Weights(const OptimConfig& optim, std::vector<std::int64_t> shape = {5, 4}, std::int64_t steps = 20,
          const std::string& weights = "{}") {
    declare("inner.weight", shape, Role::kInner);
    declare("head.weight", shape, Role::kHead);
    declare("gain", {6}, Role::kGain);
    store.layout(weights_config(weights), 4, fp64_options());
    DurationContext durations;
    durations.total_steps = steps;
    store.schedule_constraints(durations);
    store.allocate();
    store.initialise(1);
    ScheduleContext run;
    run.total_steps = steps;
    engine = std::make_unique<OptimizerEngine>(optim, store, 4, run);
    engine->allocate();
  }
  explicit Weights(const std::string& optim) : Weights(optim_config(optim)) {}

  void declare(const std::string& name, std::vector<std::int64_t> shape, Role role) {
    ParamSpec spec;
    spec.name = name;
    spec.shape = std::move(shape);
    spec.roles = role;
    ParamScope(store).declare(spec);
  }
  at::Tensor value(const std::string& name) const { return master_of(store, name).value; }
  at::Tensor grad(const std::string& name) const { return master_of(store, name).grad; }
  /// Gradients are halved by the factor that a step has for them.
  void step(std::int64_t update, const at::Tensor& gradient) {
    for (const char* name : {"inner.weight", "head.weight"}) grad(name).copy_(2 * gradient);
    engine->step(update, 0.5);
  }

  ParameterStore store;
  std::unique_ptr<OptimizerEngine> engine;
};

TEST(DecayRules, AreThoseOfTheGoldenFile) {
  const Golden golden("decay");
  const auto cases = nlohmann::json::parse(golden.metadata("settings"));
  ASSERT_EQ(cases.size(), 6u);
  for (const auto& [name, optim] : cases.items()) {
    SCOPED_TRACE(name);
    Weights weights(optim.get<std::string>());
    weights.value("inner.weight").copy_(golden.at("w0"));
    const auto expected = golden.at(name + "/w");
    for (std::int64_t t = 0; t < expected.size(0); ++t) {
      weights.step(t + 1, golden.at("grad")[t]);
      ASSERT_LT(relative_error(weights.value("inner.weight"), expected[t]), 1e-12) << t;
    }
  }
}

TEST(DecayRules, CautiousIsTheSharedExample) {
  Weights weights(optim_config("{optimizer: {type: adamw, lr: 0.1, betas: [0.9, 0.95], weight_decay: 0.1}, decay: "
                               "cautious}"),
                  {2, 3});
  weights.value("inner.weight").copy_(at::tensor({.5, -.3, .8, -.2, .1, .4}, at::kDouble).view({2, 3}));
  weights.step(1, at::tensor({.1, -.2, .3, .4, .5, -.6}, at::kDouble).view({2, 3}));
  weights.step(2, at::tensor({-.3, .2, .1, .05, -.1, .2}, at::kDouble).view({2, 3}));
  const auto expected = at::tensor({.4439296, -.2022632, .5970838, -.3766626, -.0527064, .5404307}, at::kDouble);
  EXPECT_LT((weights.value("inner.weight").flatten() - expected).abs().max().item<double>(), 1e-7);
}

TEST(DecayRules, CoupledIsTheOptimizersOwnAndOneThatDoesNotKnowIt) {
  const auto after = [](const std::string& optim) {
    Weights weights(optim);
    for (std::int64_t t = 1; t <= 4; ++t) weights.step(t, random_normal({5, 4}, static_cast<std::uint64_t>(t)));
    return weights.value("inner.weight").clone();
  };
  const at::Tensor own = after("optimizer: {type: adamw, weight_decay: 0.3, decoupled: false}");
  EXPECT_TRUE(same_bits(after("{optimizer: {type: adamw, weight_decay: 0.3}, decay: coupled}"), own));
  EXPECT_FALSE(own.equal(after("optimizer: {type: adamw, weight_decay: 0.3}")));
  EXPECT_TRUE(same_bits(after("{optimizer: {type: adamw, weight_decay: 0.3, decoupled: false}, decay: decoupled}"),
                        after("optimizer: {type: adamw, weight_decay: 0.3}")));
}

/// An optimizer with a decay of its own that does not ask the group.
class Stubborn final : public Optimizer {
 public:
  explicit Stubborn(DecayMode mode) : mode_(mode) {}
  Granularity granularity(const Master&) const override { return Granularity::kElement; }
  DecayMode decay() const override { return mode_; }
  void direct(std::vector<Slot>& slots, const UpdateContext& context) const override {
    for (auto& slot : slots) {
      slot.direction.copy_(slot.master->grad * context.grad_scale);
      if (mode_ == DecayMode::kCoupled) slot.direction.add_(slot.master->value, slot.weight_decay);
    }
  }

 private:
  DecayMode mode_;
};

TEST(DecayRules, ReachOptimizersThatDoNotKnowThem) {
  const auto after = [](DecayMode mode, const std::string& rule) {
    auto optim = optim_config("{optimizer: {type: sgd, lr: 0.1, momentum: 0, weight_decay: 0.3}, decay: " + rule + "}");
    OptimizerEntry entry = optim.optimizer.entry();
    entry.make = [mode](const ConfigObject&) { return std::make_unique<Stubborn>(mode); };
    optim.optimizer.bind(entry, std::shared_ptr<const ConfigObject>(optim.optimizer.settings().clone()));
    Weights weights(optim);
    const at::Tensor before = weights.value("inner.weight").clone(), gradient = random_normal({5, 4}, 1);
    weights.step(1, gradient);
    return std::pair{weights.value("inner.weight").clone(), before * (1 - 0.1 * 0.3) - 0.1 * gradient};
  };
  for (const auto mode : {DecayMode::kDecoupled, DecayMode::kCoupled}) {
    for (const char* rule : {"decoupled", "coupled"}) {  // the same for a plain gradient
      const auto [got, expected] = after(mode, rule);
      EXPECT_LT(relative_error(got, expected), 1e-14) << rule;
    }
  }
}

TEST(DecayRules, StayFusedWhereTheyAreAFactor) {
  const auto bytes = [](const std::string& rule) {
    return Weights("{optimizer: {type: adamw, weight_decay: 0.1}, decay: " + rule + "}").engine->state_bytes();
  };
  const auto fused = Weights("optimizer: {type: adamw, weight_decay: 0.1}").engine->state_bytes();
  for (const char* rule : {"decoupled", "coupled", "independent", "corrected"}) EXPECT_EQ(bytes(rule), fused) << rule;
  EXPECT_GT(bytes("cautious"), fused);  // directions
}

TEST(DecayRules, CorrectedLeavesTheHeadAsItIsUnlessItsGroupAsks) {
  const auto head_moves = [](const std::string& more) {
    Weights weights(
        "{optimizer: {type: sgd, lr: 0.1, momentum: 0, weight_decay: 0.5}, schedule: {type: linear, "
        "final_ratio: 0.5}, " +
        more + "}");
    const at::Tensor before = weights.value("head.weight").clone();
    weights.engine->offset_schedules(19);  // a factor of 0.5
    weights.step(1, 0 * before);
    return (weights.value("head.weight") / before)[0][0].item<double>();
  };
  EXPECT_NEAR(head_moves("decay: decoupled"), 1 - 0.05 * 0.5, 1e-14);
  EXPECT_NEAR(head_moves("decay: corrected"), 1 - 0.05 * 0.5, 1e-14);
  EXPECT_NEAR(head_moves("groups: [{name: head, match: {role: head}, decay: corrected}]"), 1 - 0.05 * 0.25, 1e-14);
}

TEST(DecayRules, OfAGroupAreItsOwnAndNamesAreChecked) {
  Weights weights(
      "{optimizer: {type: sgd, lr: 0.5, momentum: 0, weight_decay: 0.5}, decay: decoupled, groups: [{name: "
      "head, match: {role: head}, decay: independent}]}");
  const at::Tensor head = weights.value("head.weight").clone(), inner = weights.value("inner.weight").clone();
  weights.step(1, 0 * inner);
  EXPECT_LT(relative_error(weights.value("head.weight"), head * 0.5), 1e-14);
  EXPECT_LT(relative_error(weights.value("inner.weight"), inner * 0.75), 1e-14);
  try {
    optim_config("{optimizer: adamw, decay: bold}");
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("one of decoupled, coupled, independent, cautious, corrected"),
              std::string::npos)
        << error.what();
  }
}

constexpr const char* kSgd = "optimizer: {type: sgd, lr: 0.1, momentum: 0, weight_decay: 0}";

TEST(UpdateRules, ActBetweenTheOptimizerAndTheWeight) {
  for (const char* optim :
       {kSgd, "optimizer: {type: adamw, lr: 0.1}", "{optimizer: {type: adamw, lr: 0.1}, modifiers: [cautious]}"}) {
    SCOPED_TRACE(optim);
    Weights weights(optim_config(optim), {5, 4}, 20, "constraints: [hyperball]");
    const Weights free(optim_config(optim), {5, 4}, 20);
    const at::Tensor before = weights.value("inner.weight").clone();
    const double radius = before.norm().item<double>();
    for (std::int64_t t = 1; t <= 3; ++t) {
      const at::Tensor start = weights.value("inner.weight").clone();
      weights.step(t, random_normal({5, 4}, static_cast<std::uint64_t>(t)));
      EXPECT_NEAR((weights.value("inner.weight") - start).norm().item<double>() / radius, 0.1, 1e-12);  // not yet back
      weights.store.constrain(weights.engine->constraint_step(t));
      EXPECT_NEAR(weights.value("inner.weight").norm().item<double>() / radius, 1, 1e-14);
    }
  }
}

TEST(UpdateRules, WaitForTheirStartAndLeaveOthersAlone) {
  Weights ruled(optim_config(kSgd), {5, 4}, 20, "constraints: [{type: lawn, start: 2 steps, match: {role: inner}}]");
  Weights free(optim_config(kSgd), {5, 4}, 20);
  ruled.store.flat_masters().copy_(free.store.flat_masters());
  for (std::int64_t t = 1; t <= 3; ++t) {
    const at::Tensor gradient = random_normal({5, 4}, static_cast<std::uint64_t>(t));
    const at::Tensor before = ruled.value("inner.weight").clone();
    for (Weights* weights : {&ruled, &free}) {
      weights->step(t, gradient);
      weights->store.constrain(weights->engine->constraint_step(t));
    }
    const auto differs = [&](const char* name) { return relative_error(ruled.value(name), free.value(name)); };
    EXPECT_LT(differs("head.weight"), 1e-14) << t;
    if (t < 3) {
      EXPECT_LT(differs("inner.weight"), 1e-14) << t;
      continue;
    }
    EXPECT_GT(differs("inner.weight"), 1e-3);
    // The gradient that the optimizer saw was tangent, and the norm is that after update 2.
    EXPECT_LT(std::abs((ruled.grad("inner.weight") * before).sum().item<double>()), 1e-13);
    EXPECT_NEAR(ruled.value("inner.weight").norm().item<double>(), before.norm().item<double>(), 1e-13);
  }
}

TEST(UpdateRules, SeeTheShareThatDecayTakes) {
  const auto decay_of = [](const std::string& optim) {
    const Weights weights(optim);
    const auto step = weights.engine->constraint_step(1);
    return step.decay(master_of(weights.store, "inner.weight"));
  };
  EXPECT_DOUBLE_EQ(decay_of("optimizer: {type: adamw, lr: 0.1, weight_decay: 0.2}"), 0.02);
  EXPECT_DOUBLE_EQ(decay_of("{optimizer: {type: adamw, lr: 0.1, weight_decay: 0.2}, decay: independent}"), 0.2);
  EXPECT_EQ(decay_of("{optimizer: {type: adamw, lr: 0.1, weight_decay: 0.2}, decay: coupled}"), 0);
  EXPECT_EQ(decay_of("{optimizer: {type: adamw, lr: 0.1, weight_decay: 0.2}, decay: cautious}"), 0);
}

}  // namespace
}  // namespace ingot::testing
