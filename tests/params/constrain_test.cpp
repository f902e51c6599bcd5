// When constraints act, and what they keep.

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "config/document.h"
#include "config/problems.h"
#include "config/reader.h"
#include "registry/lookup.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"
#include "support/weights.h"

namespace ingot::testing {
namespace {

constexpr std::int64_t kRows = 40, kColumns = 6;

void declare(ParameterStore& store, const std::string& name) {
  ParamSpec spec;
  spec.name = name;
  spec.shape = {kRows, kColumns};
  spec.roles = Role::kReadsStream;
  spec.hidden_axis = 1;
  ParamScope(store).declare(spec);
}

/// One matrix "a" under a constraint with these settings, in a run of 20 updates.
struct Constrained {
  explicit Constrained(const std::string& constraint) {
    declare(store, "a");
    store.layout(weights_config("constraints: [" + constraint + "]"), 4, fp64_options());
    DurationContext durations;
    durations.total_steps = 20;
    store.schedule_constraints(durations);
    store.allocate();
    store.initialise(1);
  }
  double norm() const { return value().norm().item<double>(); }
  at::Tensor value() const { return store.masters()[0].value; }
  /// An update that doubles the weight.
  void step(std::int64_t update) {
    value().mul_(2);
    store.constrain({update});
  }

  ParameterStore store;
};

TEST(Constrain, StartAndEveryAreTheFrames) {
  Constrained free("{type: initial_norm, start: 3 steps, every: 2}");
  const double first = free.norm();
  std::vector<double> norms;
  for (std::int64_t update = 1; update <= 8; ++update) {
    free.step(update);
    norms.push_back(free.norm() / first);
  }
  // Comes into force with the norm after update 3; from then on every second update gives it back.
  const std::vector<double> expected = {2, 4, 8, 16, 8, 16, 8, 16};
  for (std::size_t i = 0; i < norms.size(); ++i) EXPECT_NEAR(norms[i], expected[i], 1e-12) << i;
}

TEST(Constrain, ActsBeforeTheFirstUpdateUnlessItStartsLater) {
  Constrained at_once("unit_norm"), later("{type: unit_norm, start: 10%}");
  EXPECT_NEAR(at_once.norm(), std::sqrt(kRows), 1e-12);
  EXPECT_LT(later.norm(), 1);
  later.step(1);
  EXPECT_LT(later.norm(), 1);
  later.step(2);  // 10 % of 20 updates
  EXPECT_NEAR(later.norm(), std::sqrt(kRows), 1e-12);
}

TEST(Constrain, ARunThatBeginsLaterIsConstrainedFromItsStart) {
  Constrained run("{type: initial_norm, start: 3 steps}");
  const auto name = run.store.constraint_state().at(0).name;
  EXPECT_EQ(name, "a@initial_norm.norm");
  const double first = run.norm();
  // With weights of another run that has gone past the start: its state, if it had one, or its norm.
  run.value().mul_(4);
  run.store.begin_constraints(5);
  EXPECT_NEAR(run.norm(), 4 * first, 1e-12);
  run.step(6);
  EXPECT_NEAR(run.norm(), 4 * first, 1e-12);
  run.store.constraint_state().at(0).tensor.fill_(first);
  run.store.begin_constraints(6, {name});
  EXPECT_NEAR(run.norm(), first, 1e-12);
}

TEST(Constrain, DurationsOtherThanStepsWaitForTheRun) {
  ParameterStore store;
  declare(store, "a");
  make_weights(store, fp64_options(), weights_config("constraints: [{type: unit_norm, start: 2 steps}]"));
  ParameterStore unknown;
  declare(unknown, "a");
  EXPECT_THROW(make_weights(unknown, fp64_options(), weights_config("constraints: [{type: unit_norm, start: 5%}]")),
               std::logic_error);
}

TEST(Constrain, StateIsSavedWithTheModelAndCutWhereRowsAre) {
  const std::string yaml = "constraints: [{type: initial_norm, per: row}]";
  ParameterStore whole, part;
  declare(whole, "a");
  declare(part, "a");
  make_weights(whole, store_options(at::kBFloat16), weights_config(yaml));
  part.layout(weights_config(yaml), 4, store_options(at::kBFloat16));
  part.own({{0, 10 * kColumns, 30 * kColumns}}, true);
  part.allocate();
  part.initialise(1);
  for (auto* store : {&whole, &part}) {
    store->owned()[0].value.mul_(3);
    store->constrain({1});
  }
  EXPECT_TRUE(part.owned()[0].value.equal(whole.owned()[0].value.narrow(0, 10, 20)));
  const auto states = whole.state(), parts = part.state();
  ASSERT_EQ(states.size(), 2u);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(states[1].name, "a@initial_norm.norm");
  EXPECT_TRUE(states[1].is_whole());
  EXPECT_EQ(parts[1].shape, (std::vector<std::int64_t>{kRows, 1}));
  EXPECT_EQ(parts[1].begin, 10);
  EXPECT_TRUE(parts[1].tensor.equal(states[1].tensor.narrow(0, 10, 20)));
}

/// What the frame tells: in each call update, total, rate.
class Recorder final : public Constraint {
 public:
  explicit Recorder(std::vector<std::vector<double>>& calls) : calls_(calls) {}
  bool applies(const ParamInfo&) const override { return true; }
  Granularity granularity(const ParamInfo&) const override { return Granularity::kElement; }
  void apply(at::Tensor&, const ConstraintContext& c) const override {
    calls_.push_back({static_cast<double>(c.update), static_cast<double>(c.total_updates), c.lr});
  }

 private:
  std::vector<std::vector<double>>& calls_;
};

TEST(Constrain, ConstraintsSeeTheUpdateAndTheRate) {
  std::vector<std::vector<double>> calls;
  ConstraintEntry entry;
  entry.name = "recorder";
  entry.make = [&](const ConfigObject&) { return std::make_unique<Recorder>(calls); };
  entry.schedule = [](const ConfigObject&) { return ConstraintSchedule{}; };
  auto config = weights_config("{constraints: [unit_norm], parametrization: weight_norm}");
  config.constraints[0].bind(entry, config.constraints[0].entry().defaults);
  ParameterStore store;
  declare(store, "a");
  store.layout(config, 4, fp64_options());
  DurationContext durations;
  durations.total_steps = 20;
  store.schedule_constraints(durations);
  store.allocate();
  store.initialise(1);
  store.constrain({7, [](const Master& master) {
                     EXPECT_TRUE(master.trained);
                     return 0.125;
                   }});
  EXPECT_EQ(calls, (std::vector<std::vector<double>>{{0, 20, 0}, {7, 20, 0.125}}));
}

/// The constraint on a matrix that reads the stream.
std::unique_ptr<Constraint> constraint_of(const std::string& yaml) {
  const auto variant = weights_config("constraints: [" + yaml + "]").constraints.at(0);
  return variant.entry().make(variant.settings());
}

ParamInfo reading_matrix() {
  ParamInfo info;
  info.name = "a";
  info.shape = {kRows, kColumns};
  info.roles = Role::kReadsStream;
  info.hidden_axis = 1;
  return info;
}

TEST(Constrain, TellsWhichFixTheScale) {
  for (const char* name :
       {"unit_norm", "initial_norm", "normalize_and_project", "lawn", "hyperball", "spectral_sphere"}) {
    EXPECT_TRUE(fixes_scale(*constraint_of(name), reading_matrix())) << name;
  }
  for (const char* name : {"radial_brake", "relative_update_floor", "rpgd", "spectral_normalize", "spectral_soft_cap",
                           "spectral_hard_cap", "spectral_hammer"}) {
    EXPECT_FALSE(fixes_scale(*constraint_of(name), reading_matrix())) << name;
  }
}

TEST(Constrain, TellsWhichUndoesAnother) {
  const auto undoes_it = [](const char* second, const char* first) {
    return undoes(*constraint_of(second), *constraint_of(first), reading_matrix());
  };
  EXPECT_TRUE(undoes_it("spectral_hard_cap", "unit_norm"));
  EXPECT_TRUE(undoes_it("radial_brake", "hyperball"));
  EXPECT_TRUE(undoes_it("unit_norm", "hyperball"));
  EXPECT_FALSE(undoes_it("radial_brake", "relative_update_floor"));
  EXPECT_FALSE(undoes_it("initial_norm", "hyperball"));
}

TEST(Constrain, MatchChoosesAmongWhatItIsDefinedFor) {
  ParameterStore store;
  for (const char* name : {"a", "b"}) declare(store, name);
  store.layout(weights_config("constraints: [{type: hyperball, match: {name: b}}]"), 4, fp64_options());
  EXPECT_TRUE(store.choices()[0].constraints.empty());
  EXPECT_EQ(store.choices()[1].constraints, std::vector<std::string>{"hyperball"});
  EXPECT_EQ(store.choices()[1].constraint_texts, std::vector<std::string>{"hyperball"});
  EXPECT_EQ(store.choices()[1].chosen[0].path, "weights.constraints.0");
  EXPECT_FALSE(store.changes_updates(store.masters()[0]));
  EXPECT_TRUE(store.changes_updates(store.masters()[1]));
}

TEST(Constrain, RulesForUpdatesRefuseWeightsThatAreNotTrainedThemselves) {
  const auto lay_out = [](const std::string& parametrization) {
    ParameterStore store;
    declare(store, "a");
    store.layout(weights_config("{constraints: [hyperball], parametrization: " + parametrization + "}"), 4,
                 fp64_options());
  };
  lay_out("plain");
  try {
    lay_out("weight_norm");
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_EQ(std::string(error.what())
                  .find("weights.constraints.0: hyperball changes the updates of 'a', but its "
                        "parametrization weight_norm"),
              0u)
        << error.what();
  }
}

TEST(Validate, NamesWhatVariantsRefuseWithItsPlace) {
  const FamiliesLookup lookup(weight_families());
  const auto document =
      Document::parse("weights:\n  constraints:\n    - unit_norm\n    - {type: unit_norm}\n", "my.yaml");
  Problems problems(document);
  WeightsConfig config;
  read_fields(
      document, lookup, [&](Fields& f) { f.field("weights", config, ""); }, problems);
  validate(config, problems);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems.lines()[0],
            "my.yaml:4:7: weights.constraints.1: 'unit_norm' is listed twice, expected each constraint once");
}

}  // namespace
}  // namespace ingot::testing
