#pragma once
// The parameters that one optimizer updates, with its states; internal to the engine.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "optim/optim_config.h"

namespace ingot {

/// Where the states of a group's masters lie in the flat tensor of one StateSpec.
struct StateLayout {
  StateSpec spec;
  std::vector<std::int64_t> offsets;  // for each slot
  std::int64_t size = 0;
  at::Tensor flat;
  bool is_rounded = false;  // kept in bf16, where masters are in fp32

  at::ScalarType dtype(at::ScalarType masters) const {
    return is_rounded && masters == at::kFloat ? at::kBFloat16 : spec.dtype.value_or(masters);
  }
  std::vector<std::int64_t> shape(const Master& master) const { return spec.shape ? spec.shape(master) : master.shape; }
};

class ParameterGroup {
 public:
  /// Of the parameters that `optim.optimizer` takes, or of the others.
  enum class Share { kOptimizer, kOthers };
  /// `own` null: a default group. A group with an optimizer of its own has no share in the others. Throws ConfigError.
  ParameterGroup(const std::string& name, const OptimConfig& config, const GroupConfig* own,
                 const ScheduleContext& context, Share share = Share::kOptimizer);

  bool can_train(const Master& master) const { return entry_->can_train(master); }
  const OptimizerEntry& entry() const { return *entry_; }

  /// What must stay together of a master.
  Granularity granularity(const Master& master) const;
  /// After `slots` were filled: neighbours and where states lie.
  void lay_out(const std::vector<Master>& masters);
  /// Bytes of states and directions for masters of a type.
  std::int64_t bytes(at::ScalarType master_dtype) const;
  void allocate(const at::TensorOptions& options);
  /// Learning rate of an update, from 1.
  double lr(std::int64_t update) const { return peak_lr * lr_schedule_->factor(time_of(update)); }
  /// What decay beside the gradient takes from a parameter at an update, in units of its learning rate `lr`.
  double weight_decay_at(std::int64_t update, const ParamInfo& info, double peak_decay, double lr) const;
  /// Whether that is a share of the whole weight.
  bool decays_whole() const { return decay_mode_ == DecayMode::kDecoupled; }
  /// One update.
  void step(const UpdateContext& context);
  /// Whether its optimizer ever wants gradients of labels drawn from the model, and whether after this update.
  bool samples_labels() const { return optimizer_->samples_labels_every() > 0; }
  bool samples_labels_after(std::int64_t update) const {
    return samples_labels() && update % optimizer_->samples_labels_every() == 0;
  }
  void observe_sampled(const UpdateContext& context) { optimizer_->observe_sampled(slots, placed(context)); }
  /// Whether the optimizer or a modifier has weights to evaluate that are others than the masters.
  bool has_evaluation_weights() const;
  /// Turns the masters of a slot, given in `weights`, into those. `context` is that of the last update.
  void evaluation_weights(const Slot& slot, const UpdateContext& context, at::Tensor& weights) const;

  std::string name;
  std::string optimizer_text, modifiers_text;  // with their settings
  UpdateSize update_size = UpdateSize::kNormalised;
  double peak_lr = 0;
  double weight_decay = 0;
  std::int64_t schedule_offset = 0;  // schedules are read this much after the number of the update less 1
  bool decays_all = false;           // whether `weight_decay` acts on more than matrices
  /// Whose constraints change updates of this group; null: none does. Set before `lay_out`.
  const ParameterStore* constraints = nullptr;
  std::vector<Slot> slots;
  std::vector<StateLayout> states;

 private:
  /// A hyper-parameter on its way from one value to another.
  struct Moving {
    std::string path;
    double from, to;
    std::unique_ptr<Schedule> schedule;
    double at(double time) const { return from + (to - from) * schedule->factor(time); }
  };
  struct Modified {
    std::unique_ptr<ConfigObject> settings;
    std::unique_ptr<Modifier> modifier;
    std::size_t first_state, num_states;
  };

  std::int64_t position(std::int64_t update) const { return update - 1 + schedule_offset; }
  /// The same as schedules count it.
  double time_of(std::int64_t update) const { return context_.time_of(position(update)); }
  /// The context as it is for this group.
  UpdateContext placed(UpdateContext context) const;
  /// Calls f while the slots show the states of one modifier alone.
  template <class F>
  void with_states_of(const Modified& modified, F f);
  bool applies_directions() const {
    return !modifiers_.empty() || !optimizer_->is_fused() || constraints != nullptr ||
           decay_mode_ != optimizer_->decay();
  }
  void choose_decay(const OptimConfig& config, const GroupConfig* own);
  void set_rates(const UpdateContext& context);
  void direct(const UpdateContext& context);
  void add_schedules(const NamedMap<MovingConfig>& config, const Variant<OptimizerEntry>* partner);
  void add_states(const std::vector<StateSpec>& specs, const std::string& prefix, StateType type = StateType::kFloat32);

  ScheduleContext context_;
  const OptimizerEntry* entry_;
  std::unique_ptr<ConfigObject> settings_;  // of the optimizer, as schedules have them now
  std::unique_ptr<Optimizer> optimizer_;
  std::vector<Modified> modifiers_;
  std::unique_ptr<Schedule> lr_schedule_;
  std::vector<Moving> moving_;
  std::unique_ptr<Moving> decay_factor_;  // of 1, for the group's decay
  std::optional<DecayRule> decay_rule_;   // absent: the optimizer's own
  bool rule_is_own_ = false;              // of the group, not of the section
  DecayMode decay_mode_ = DecayMode::kDecoupled;
  at::Tensor directions_;
  std::int64_t directions_size_ = 0;
  std::vector<std::int64_t> direction_offsets_;
};

}  // namespace ingot
