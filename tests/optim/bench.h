#pragma once
// Optimizers on parameters of their own, without a store.

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "optim/average.h"
#include "optim/clipper.h"
#include "optim/optim_config.h"
#include "optim/optimizer.h"

namespace ingot::testing {

/// Optimizers, schedules and clippers as the program registers them.
const Families& optim_families();

/// The entry with the settings that `yaml` describes, such as "{type: adamw, lr: 0.1}". Throws ConfigError.
Variant<OptimizerEntry> read_optimizer(const std::string& yaml);
Variant<ScheduleEntry> read_schedule(const std::string& yaml);
Variant<ClipperEntry> read_clipper(const std::string& yaml);
Variant<ModifierEntry> read_modifier(const std::string& yaml);
Variant<AverageEntry> read_average(const std::string& yaml);

/// The section `optim:` that `yaml` describes. Throws ConfigError.
OptimConfig optim_config(const std::string& yaml);

/// Parameters in flat buffers, with an optimizer's state, as the engine lays them out.
class OptimizerBench {
 public:
  struct Shape {
    std::string name;
    std::vector<std::int64_t> shape;
    RoleSet roles = {};  // empty: inner for matrices, gain for the rest
    std::string part = {};
    std::int64_t head_rows = 0;
  };
  struct Options {
    at::ScalarType dtype = at::kDouble;
    bool joined = true;         // neighbours form runs; else every slot stands alone
    std::int64_t padding = 16;  // slices start at a multiple of this
    double weight_decay = 0;
    bool directions = false;       // directions and their application apart, in place of the fused step
    std::string modifier = {};     // of the directions, if any
    bool bfloat16_states = false;  // where the optimizer allows it
    std::function<void(ParamInfo&)> describe = {};  // changes what is known of a parameter by its name and shape
    SumOverRanks sum_over_ranks = {};
  };
  OptimizerBench(const Variant<OptimizerEntry>& optimizer, const std::vector<Shape>& shapes, const Options& options);

  at::Tensor value(const std::string& name) const { return master(name).value; }
  at::Tensor grad(const std::string& name) const { return master(name).grad; }
  /// The weights to evaluate after the last step.
  at::Tensor evaluation_weights(const std::string& name) const;
  /// Everything that must survive a restart: values, then states.
  std::vector<at::Tensor> tensors() const;
  const at::Tensor& flat_values() const { return values_; }
  const at::Tensor& flat_grads() const { return grads_; }
  const std::vector<at::Tensor>& flat_states() const { return states_; }

  /// Fills values and gradients with normal numbers that depend on the seed and on the parameter's name.
  void randomise_values(std::uint64_t seed);
  void randomise_grads(std::uint64_t seed);
  void step(std::int64_t update, double lr, double grad_scale = 1);
  /// Gradients as sums over labels drawn from a model, `grad_scale` of which is their mean.
  void observe_sampled(std::int64_t update, double grad_scale);
  /// The rates of all steps, for rules that look at others than that of the step; else they know those so far.
  void plan_rates(std::vector<double> rates) { rates_ = std::move(rates); }
  static constexpr std::uint64_t kSeed = 1;  // of the optimizer's random parts

  const Master& master(const std::string& name) const;

 private:
  void start_states();
  UpdateContext context(std::int64_t update, double grad_scale) const;
  void modify(void (Modifier::*what)(std::vector<Slot>&, const UpdateContext&) const, const UpdateContext& context);

  std::unique_ptr<ConfigObject> settings_;
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<Variant<ModifierEntry>> modifier_variant_;
  std::unique_ptr<Modifier> modifier_;
  bool directions_ = false;
  SumOverRanks sum_over_ranks_;
  std::deque<ParamInfo> infos_;
  std::deque<Master> masters_;
  std::vector<Slot> slots_;
  at::Tensor values_, grads_;
  std::vector<at::Tensor> states_;
  std::vector<std::vector<at::Tensor>> modifier_states_;  // by slot
  std::vector<double> rates_;                             // by update
  std::int64_t update_ = 0;                               // the last one
};

/// W [6] after two updates of [[.5, -.3, .8], [-.2, .1, .4]] by the gradients [[.1, -.2, .3], [.4, .5, -.6]] and
/// [[-.3, .2, .1], [.05, -.1, .2]], in fp64.
at::Tensor after_shared_updates(const std::string& optimizer, double lr, double weight_decay,
                                const std::string& modifier = "");

/// The largest absolute difference between a tensor's elements and expected ones.
double largest_difference(const at::Tensor& actual, const std::vector<double>& expected);

/// Runs every case of tests/golden/<file>.safetensors, whose name ends in fp64 or fp32, and compares each step, with
/// CASE/x/P also the weights to evaluate. The file is of tools/golden/trajectories.py; parameters named embedding or
/// head have that role. `relative`: tolerance in place of that of a few elementwise operations a step, where
/// eigenvectors and the like carry more rounding along.
void check_golden_trajectories(const std::string& file, const std::string& type, double relative = 0);

}  // namespace ingot::testing
