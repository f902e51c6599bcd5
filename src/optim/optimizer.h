#pragma once
// Optimizers work on masters: named flat slices with roles. They never see a model.
//
// An optimizer gives a direction d for each weight; how it is applied is the same for all:
//
//   g = s·G + λc·w                s: 1/tokens and clipping, λc: decay in the gradient
//   d = direction of the optimizer, then changed by the group's modifiers in order
//   w = (1 - η·λ)·w - η·d         η: learning rate, λ: decoupled weight decay
//
// An elementwise rule does all of it in one pass (optim/elementwise.h) where no modifier stands between.

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "optim/grad_norm.h"
#include "params/store.h"
#include "registry/add_entry.h"

namespace ingot {

/// A master with the state that the optimizer keeps for it, and with what this update makes of its hyper-parameters.
struct Slot {
  const Master* master = nullptr;
  double lr_factor = 1;          // of scaling
  double lr = 0;                 // this step's learning rate: group × schedule × scaling
  double peak_weight_decay = 0;  // 0 where decay does not apply
  double weight_decay = 0;       // this step's
  double decay_factor = 1;       // of it: what the optimizer makes of the decay in this update, if anything
  std::vector<at::Tensor> states;
  at::Tensor direction;  // [shape of the master], where the group applies directions in a pass of its own
  /// Whether master, gradient and states lie right behind the previous slot's, up to padding that is zero everywhere.
  /// Elementwise rules with a fixed point at zero then take both in one pass (optim/runs.h).
  bool follows = false;
};

/// What a schedule may know. Its time is counted in updates; where the batch grows along the run, in tokens as
/// multiples of the full batch.
struct ScheduleContext {
  std::int64_t total_steps = 0;      // of that time
  std::int64_t tokens_per_step = 0;  // of a full batch
  std::int64_t tokens_per_epoch = 0;
  std::int64_t num_parameters = 0;
  /// Where the batch grows: all updates, and the time at which update t = 0, 1, … begins. Else both are as above.
  std::optional<std::int64_t> updates = {};
  std::function<double(std::int64_t t)> time = {};

  std::int64_t total_updates() const { return updates.value_or(total_steps); }
  double time_of(std::int64_t t) const { return time ? time(t) : static_cast<double>(t); }
};

/// Per-step constants.
struct UpdateContext {
  std::int64_t update = 0;         // number of this update, from 1 (bias corrections)
  double grad_scale = 1;           // multiplies gradients on the fly: clipping and 1/tokens folded in
  std::int64_t total_updates = 0;  // of the run as planned
  /// Sums over what other ranks own; null where this process owns all.
  SumOverRanks sum_over_ranks;
  std::size_t num_masters = 0;  // of the model; Master::index is below
  std::uint64_t seed = 0;       // of random parts, which are drawn by it, the update and the parameter's name
  std::int64_t position = 0;    // of this update in the schedules, from 0
  /// Factor of the group's learning rate at a position, 1 at the peak; null: 1 throughout.
  std::function<double(std::int64_t position)> rate_factor = {};
  ScheduleContext run = {};  // what durations in settings mean

  /// The factor at another update, by its number.
  double rate_factor_at(std::int64_t other) const { return rate_factor ? rate_factor(position + other - update) : 1; }
};

/// A tensor of optimizer state for each master.
struct StateSpec {
  std::string name;  // "exp_avg"
  /// Shape for a master; null: the master's own.
  std::function<std::vector<std::int64_t>(const Master&)> shape;
  /// Null: that of the masters.
  std::optional<at::ScalarType> dtype = std::nullopt;
  /// Start values; null: zero. Called once, before the first update of a run.
  std::function<void(at::Tensor& state, const Master& master)> start;
  /// Whether the optimizer takes the state in bf16 as well, if the group says so, and rounds it by chance.
  bool may_be_bfloat16 = false;
};

/// How `weight_decay` acts: on the weight itself, in the gradient, or on those elements of the weight that the
/// direction makes smaller too.
enum class DecayMode { kDecoupled, kCoupled, kCautious };

/// What optimizers and modifiers declare.
class StatefulRule {
 public:
  virtual ~StatefulRule() = default;
  /// What must stay together on one rank.
  virtual Granularity granularity(const Master& master) const = 0;
  virtual std::vector<StateSpec> state_specs() const { return {}; }
  /// Whether the weights to evaluate are others than the masters, at which gradients are taken.
  virtual bool has_evaluation_weights() const { return false; }
  /// Turns the masters of a slot, given in `weights`, into the weights to evaluate. At least one update was made;
  /// `context` is that of the last one.
  virtual void evaluation_weights(const Slot& /*slot*/, const UpdateContext& /*context*/,
                                  at::Tensor& /*weights*/) const {}
};

/// Made from settings that it keeps a reference to: hyper-parameters with a schedule change there between updates.
class Optimizer : public StatefulRule {
 public:
  virtual DecayMode decay() const { return DecayMode::kDecoupled; }
  /// Asks that decay act otherwise than the settings say; whether it then does.
  virtual bool take_decay(DecayMode mode) { return mode == decay(); }
  /// slot.direction <- d for every slot of the group. Moves the state; weights and gradients are left as they are.
  virtual void direct(std::vector<Slot>& slots, const UpdateContext& context) const = 0;
  /// Updates after which the cost of an update repeats, for benchmarks.
  virtual std::int64_t period() const { return 1; }
  /// Whether `step` does without `slot.direction`.
  virtual bool is_fused() const { return false; }
  /// One update of every slot of the group. Masters change in place; gradients are left as they are.
  virtual void step(std::vector<Slot>& slots, const UpdateContext& context) const;
  /// After every how many updates it wants the gradients of labels drawn from the model's own predictions; 0: never.
  virtual std::int64_t samples_labels_every() const { return 0; }
  /// After such an update, with the new weights: gradients are sums over as many labels as `context.grad_scale` divides
  /// by. It moves states alone.
  virtual void observe_sampled(std::vector<Slot>& /*slots*/, const UpdateContext& /*context*/) const {}
};

/// w <- (1 - η·λ)·w - η·direction for every slot; without λ if the decay was in the gradient, or where it is cautious
/// and direction and weight differ in sign.
void apply_directions(std::vector<Slot>& slots, DecayMode decay);
/// The same for one tensor.
void apply_direction(at::Tensor w, const at::Tensor& direction, double lr, double weight_decay, DecayMode decay);

/// Throws ConfigError with the first of the problems of a variant's settings, if there are any.
void throw_first(const std::string& variant, const SettingsProblems& problems);

struct OptimizerEntry : Entry {
  static constexpr const char* kFamily = "optimizers";
  /// The settings must outlive what is made. Throws ConfigError where `validate` finds a problem.
  std::function<std::unique_ptr<Optimizer>(const ConfigObject& settings)> make;
  /// Null: settings within their ranges are right.
  std::function<SettingsProblems(const ConfigObject& settings)> validate;
  /// Base learning rate and decay of the settings, which every optimizer has under the names `lr` and `weight_decay`.
  std::function<double(const ConfigObject& settings)> lr;
  std::function<double(const ConfigObject& settings)> weight_decay;
  SettingsSamples samples;
  UpdateSize update_size = UpdateSize::kNormalised;
  /// In place of `update_size` where it depends on the settings; null: it does not.
  std::function<UpdateSize(const ConfigObject& settings)> update_size_of;
  /// Which masters, as wholes, it can train; null: all. As `optim.optimizer` it leaves the rest to `optim.others`.
  std::function<bool(const Master& master)> takes;
  std::string takes_what;  // these in words: "matrices inside the stack"

  bool can_train(const Master& master) const { return !takes || takes(master); }
  /// What settings ask for that a run of so many updates does not have; null: nothing.
  std::function<SettingsProblems(const ConfigObject& settings, std::int64_t total_updates)> warnings;
};

/// An entry whose settings C have the members `lr` and `weight_decay`; `make(const C&)` gives the optimizer.
template <class C, class Make>
OptimizerEntry& add_optimizer(Family<OptimizerEntry>& family, std::string name, std::string summary, std::string paper,
                              Make make, SettingsProblems (*validate)(const C& settings) = nullptr) {
  auto& entry = family.add<C>(std::move(name), std::move(summary), std::move(paper));
  if (validate != nullptr) entry.validate = with_settings<C>(validate);
  entry.make = [make, validate, called = entry.name](const ConfigObject& object) -> std::unique_ptr<Optimizer> {
    const C& settings = settings_as<C>(object);
    if (validate != nullptr) throw_first(called, validate(settings));
    return make(settings);
  };
  entry.lr = with_settings<C>([](const C& c) { return c.lr; });
  entry.weight_decay = with_settings<C>([](const C& c) { return c.weight_decay; });
  return entry;
}

/// Changes the directions of a group before they are applied, or the weights afterwards. It sees its own states alone.
class Modifier : public StatefulRule {
 public:
  /// Before the directions are applied.
  virtual void modify(std::vector<Slot>& /*slots*/, const UpdateContext& /*context*/) const {}
  /// After they were applied, decay included.
  virtual void follow(std::vector<Slot>& /*slots*/, const UpdateContext& /*context*/) const {}
};

struct ModifierEntry : Entry {
  static constexpr const char* kFamily = "modifiers";
  std::function<std::unique_ptr<Modifier>(const ConfigObject& settings)> make;
  SettingsSamples samples;
};

/// The parts of a schedule in updates, as its settings ask for them: together they may be longer than the run.
struct SchedulePhases {
  std::int64_t warmup = 0;
  std::optional<std::int64_t> decay = {};  // at the end of the run; absent: the rate never falls
};

/// Factor of a hyper-parameter at the time t = 0, 1, …, total_steps-1 of an update: a pure function.
class Schedule {
 public:
  virtual ~Schedule() = default;
  /// `t` is a whole number unless the batch grows along the run.
  virtual double factor(double t) const = 0;
  virtual SchedulePhases phases() const = 0;
  /// What of it a run of `total` updates does not reach, beside what `phases` tells; "" for nothing.
  virtual std::string misfit(std::int64_t /*total*/) const { return ""; }
};

struct ScheduleEntry : Entry {
  static constexpr const char* kFamily = "schedules";
  /// Null: settings within their ranges are right.
  std::function<SettingsProblems(const ConfigObject& settings)> validate;
  std::function<std::unique_ptr<Schedule>(const ConfigObject& settings, const ScheduleContext& context)> make;
  SettingsSamples samples;
};

void register_all_optimizers(Family<OptimizerEntry>& family);
void register_all_modifiers(Family<ModifierEntry>& family);
void register_all_schedules(Family<ScheduleEntry>& family);

}  // namespace ingot
