#pragma once
// The optimizer side of a step: groups, state, learning rates, one update.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "optim/grad_norm.h"
#include "optim/optim_config.h"

namespace ingot {

/// How a parameter is trained, as `plan --params` shows it.
struct GroupAssignment {
  const Master* master = nullptr;
  std::string group;      // "default", "others" or the group's name
  std::string optimizer;  // registry name
  double lr = 0;          // peak
  double weight_decay = 0;
  double lr_factor = 1;  // of the group's rate: what the scaling gives it
};

/// Assigns every trained master to a group; owns the optimizer states of what the store owns. What `optim.optimizer`
/// does not take goes to `optim.others`: from the default group to one named "others", from a group without an
/// optimizer of its own to one named "<group> others", or all of it. Decay applies to `embedding head reads_stream
/// writes_stream inner` unless a group says otherwise. Throws ConfigError if a group's selector matches nothing, or
/// gives its own optimizer what this can't train.
class OptimizerEngine {
 public:
  OptimizerEngine(const OptimConfig& config, const ParameterStore& store, int num_sublayers,
                  const ScheduleContext& schedule);
  ~OptimizerEngine();

  const std::vector<GroupAssignment>& assignments() const;
  /// Groups with parameters: the default group, those of the config in its order, then others.
  struct GroupFacts {
    std::string name;
    std::string optimizer, modifiers;  // with their settings
  };
  std::vector<GroupFacts> groups() const;
  /// The unit that a trained master's optimizer looks at as a whole; by index in `store.masters()`.
  std::vector<Granularity> granularities() const;
  /// Bytes of the states of what the store owns, known without `allocate`.
  std::int64_t state_bytes() const;

  /// After `store.own`.
  void follow_store();
  /// Makes the states, zero. The store must be allocated.
  void allocate();
  /// Norm of the gradients times `scale`, squared norms summed in parameter order; and the clipping factor for it.
  /// Where the store does not own all, `sum_over_ranks` adds up a tensor over the ranks, each element of which is zero
  /// on all but one.
  struct NormAndFactor {
    double grad_norm = 0;  // not finite if any gradient is not
    double clip_factor = 1;
  };
  NormAndFactor measure(double scale, const SumOverRanks& sum_over_ranks = {});
  /// What the clipper asks about the logits, and what it makes of the answer.
  LogitProbe logit_probe() const;
  double step_share(double spread) const;
  /// What the clipper keeps from step to step, for the state of a checkpoint; empty for most.
  std::vector<double> clip_state() const;
  void restore_clip(const std::vector<double>& state);
  /// Schedules are read at `offset` positions after the number of the update less 1: they and the optimizer's state may
  /// have begun at different times. 0 at first.
  void offset_schedules(std::int64_t offset);
  /// Of the random parts of optimizers; 0 at first.
  void set_seed(std::uint64_t seed);
  /// One update, after `measure`; unit-wise clippers change the gradients first. `update` counts from 1. `grad_scale` =
  /// scale × clip factor.
  void step(std::int64_t update, double grad_scale, const SumOverRanks& sum_over_ranks = {});
  /// Whether an optimizer ever wants gradients of labels drawn from the model, and whether after this update.
  bool samples_labels() const;
  bool samples_labels_after(std::int64_t update) const;
  /// Gives those to the optimizers that want them after this update: the masters' gradients are sums over labels, times
  /// `grad_scale` their mean. Not finite ones are passed over.
  void observe_sampled(std::int64_t update, double grad_scale, const SumOverRanks& sum_over_ranks = {});
  /// Learning rate of the default group at an update, for the log.
  double lr(std::int64_t update) const;
  /// The same of any group with parameters, by its name.
  double lr(std::int64_t update, const std::string& group) const;
  /// The update as constraints see it, after `step`. The engine must outlive it.
  ConstraintStep constraint_step(std::int64_t update) const;

  /// Whether the weights to evaluate may be others than the masters: an average of them, or what an optimizer or a
  /// modifier says.
  bool has_evaluation_weights() const;
  /// Once an update is over, constraints included: the average takes the masters in.
  void average(std::int64_t update);
  /// The weights to evaluate after `update` updates, laid out as `store.flat_masters()`; what is not owned or not
  /// trained is as there. Undefined while they are the masters.
  at::Tensor evaluation_weights(std::int64_t update) const;
  /// How many weights have entered the average, for the state of a checkpoint.
  std::int64_t averaged() const;
  void restore_averaged(std::int64_t count);

  /// "exp_avg/layers.0.mixer.q.weight" and so on, then `average_state`, as far as this process owns it. Views.
  StateTensors state() const;
  /// "layers.0.mixer.q.weight@average".
  StateTensors average_state() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ingot
