// What the engine does with scalings, tells constraints and clippers, and keeps for clippers.

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "optim/bench.h"
#include "optim/engine.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"
#include "support/weights.h"

namespace ingot::testing {
namespace {

/// Width 8: an embedding that is the head too, a matrix inside the stack and a gain.
struct Small {
  Small(const std::string& weights, const OptimConfig& optim) {
    const auto declare = [&](const std::string& name, std::vector<std::int64_t> shape, RoleSet roles) {
      ParamSpec spec;
      spec.name = name;
      spec.hidden_axis = static_cast<int>(shape.size()) - 1;
      spec.shape = std::move(shape);
      spec.roles = roles;
      ParamScope(store).declare(spec);
    };
    declare("embedding.weight", {16, 8}, {Role::kEmbedding, Role::kHead});
    declare("up.weight", {32, 8}, Role::kReadsStream);
    declare("gain", {8}, Role::kGain);
    make_weights(store, fp64_options(), weights_config(weights));
    ScheduleContext run;
    run.total_steps = 10;
    engine = std::make_unique<OptimizerEngine>(optim, store, 4, run);
    engine->allocate();
    for (const auto& m : store.masters()) {
      if (m.trained) at::Tensor(m.grad).copy_(random_normal(m.shape, m.index + 1));
    }
  }
  Small(const std::string& weights, const std::string& optim) : Small(weights, optim_config(optim)) {}

  const GroupAssignment& assignment(const std::string& name) const {
    const auto& all = engine->assignments();
    return *std::find_if(all.begin(), all.end(), [&](const auto& a) { return a.master->name == name; });
  }

  ParameterStore store;
  std::unique_ptr<OptimizerEngine> engine;
};

constexpr const char* kMup = "scaling: {type: mup, base_width: 2}";

TEST(EngineScaling, RatesAndDecayFollowTheWidth) {
  const Small small(kMup, "optimizer: {type: adamw, lr: 0.4, weight_decay: 0.1}");
  EXPECT_DOUBLE_EQ(small.assignment("up.weight").lr, 0.1);
  EXPECT_DOUBLE_EQ(small.assignment("up.weight").weight_decay, 0.4);
  EXPECT_DOUBLE_EQ(small.assignment("embedding.weight").lr, 0.4);
  EXPECT_DOUBLE_EQ(small.assignment("embedding.weight").weight_decay, 0.1);
  EXPECT_DOUBLE_EQ(small.assignment("gain").lr, 0.4);
  const Small sgd(kMup, "optimizer: {type: sgd, lr: 0.4}");
  EXPECT_DOUBLE_EQ(sgd.assignment("up.weight").lr, 0.4);
  EXPECT_DOUBLE_EQ(sgd.assignment("gain").lr, 1.6);
  // Lengths that a parametrization has beside the matrix keep the group's rate.
  const Small lengths(cat("{parametrization: weight_norm, ", kMup, "}"), "optimizer: {type: adamw, lr: 0.4}");
  EXPECT_DOUBLE_EQ(lengths.assignment("up.weight.v").lr, 0.1);
  EXPECT_DOUBLE_EQ(lengths.assignment("up.weight.g").lr, 0.4);
}

TEST(EngineScaling, UpdatesTakeTheRateOfEachParameter) {
  for (const char* modifiers : {"", ", modifiers: [cautious]"}) {
    const auto optim = cat("{optimizer: {type: adamw, lr: 0.4}", modifiers, "}");
    Small scaled(kMup, optim), plain("init: {type: normal, std: 0.01}", optim);
    scaled.store.flat_masters().copy_(plain.store.flat_masters());
    const at::Tensor before = plain.store.flat_masters().clone();
    for (Small* small : {&scaled, &plain}) small->engine->step(1, 1);
    const auto moved = [&](const Small& small, const char* name) {
      const auto& master = master_of(small.store, name);
      return master.value - before.narrow(0, master.offset, master.numel).view(master.shape);
    };
    const auto tolerance = Tolerance::of(at::kDouble).chain(8);
    EXPECT_TRUE(close(moved(scaled, "up.weight") * 4, moved(plain, "up.weight"), tolerance)) << modifiers;
    EXPECT_TRUE(close(moved(scaled, "gain"), moved(plain, "gain"), tolerance)) << modifiers;
  }
}

TEST(EngineScaling, ConstraintsAreToldRateAndUpdate) {
  const Small small(kMup, "{optimizer: {type: adamw, lr: 0.4}, schedule: linear}");
  small.engine->offset_schedules(3);
  const auto step = small.engine->constraint_step(2);
  EXPECT_EQ(step.update, 5);
  EXPECT_DOUBLE_EQ(step.lr(master_of(small.store, "gain")), small.engine->lr(2));
  EXPECT_DOUBLE_EQ(step.lr(master_of(small.store, "up.weight")), small.engine->lr(2) / 4);
}

/// Remembers what it saw; halves all gradients.
class Watching final : public Clipper {
 public:
  explicit Watching(GradientNorms& seen) : seen_(seen) {}
  bool looks_at_parameters() const override { return true; }
  double factor(const GradientNorms& norms) override {
    seen_ = norms;
    mean_ += norms.total;
    return 0.5;
  }
  std::vector<double> state() const override { return {mean_}; }
  void restore(const std::vector<double>& state) override { mean_ = state.at(0); }

 private:
  GradientNorms& seen_;
  double mean_ = 0;
};

TEST(EngineClipping, ClippersSeeParametersAndGroupsAndKeepTheirState) {
  GradientNorms seen;
  ClipperEntry entry;
  entry.name = "watching";
  entry.make = [&](const ConfigObject&) { return std::make_unique<Watching>(seen); };
  auto config = optim_config("{optimizer: adamw, groups: [{name: vectors, match: {role: gain}, lr: 0.1}]}");
  config.clip.bind(entry, config.clip.entry().defaults);
  const Small small("{}", config);
  const auto measured = small.engine->measure(0.25);
  EXPECT_EQ(measured.clip_factor, 0.5);
  ASSERT_EQ(seen.parameters.size(), 3u);
  ASSERT_EQ(seen.groups.size(), 2u);
  double squares = 0;
  for (const auto& p : seen.parameters) {
    EXPECT_NEAR(p.norm, 0.25 * p.master->grad.norm().item<double>(), 1e-12);
    EXPECT_EQ(p.group, p.master->name == "gain" ? 1u : 0u);
    squares += p.norm * p.norm;
  }
  EXPECT_NEAR(seen.total, std::sqrt(squares), 1e-12);
  EXPECT_EQ(seen.total, Small("{}", "optimizer: adamw").engine->measure(0.25).grad_norm);
  EXPECT_NEAR(seen.groups[1], seen.parameters[2].norm, 1e-12);
  EXPECT_EQ(small.engine->clip_state(), std::vector<double>{seen.total});
  small.engine->restore_clip({3});
  EXPECT_EQ(small.engine->clip_state(), std::vector<double>{3});
}

}  // namespace
}  // namespace ingot::testing
