#pragma once
// Optimizers work on masters: named flat slices with roles. They never see a model.

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "params/store.h"
#include "registry/family.h"

namespace ingot {

/// A master with the state that the optimizer keeps for it. All tensors have the master's shape unless `state_specs`
/// says otherwise.
struct Slot {
  const Master* master = nullptr;
  double lr = 0;            // this step's learning rate: group × schedule × scaling
  double weight_decay = 0;  // 0 where decay does not apply
  std::vector<at::Tensor> states;
  /// Whether master, gradient and states lie right behind the previous slot's, up to padding that is zero everywhere.
  /// Elementwise rules with a fixed point at zero then take both in one pass (optim/runs.h).
  bool follows = false;
};

/// Per-step constants.
struct UpdateContext {
  std::int64_t update = 0;  // number of this update, from 1 (bias corrections)
  double grad_scale = 1;    // multiplies gradients on the fly: clipping and 1/tokens folded in
};

/// A tensor of optimizer state for each master.
struct StateSpec {
  std::string name;  // "exp_avg"
  /// Shape for a master; null: the master's own.
  std::function<std::vector<std::int64_t>(const Master&)> shape;
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  virtual Granularity granularity() const = 0;
  virtual std::vector<StateSpec> state_specs() const = 0;
  /// One update of every slot of the group. Masters change in place; gradients are left as they are.
  virtual void step(std::vector<Slot>& slots, const UpdateContext& context) const = 0;
};

struct OptimizerEntry : Entry {
  static constexpr const char* kFamily = "optimizers";
  std::function<std::unique_ptr<Optimizer>(const ConfigObject& settings)> make;
  /// The same rule in plain tensor operations, as it runs on devices without a kernel; null if `make` has no kernels.
  std::function<std::unique_ptr<Optimizer>(const ConfigObject& settings)> make_plain;
  /// Base learning rate and decay of the settings, which every optimizer has under the names `lr` and `weight_decay`.
  std::function<double(const ConfigObject& settings)> lr;
  std::function<double(const ConfigObject& settings)> weight_decay;
};

/// What a schedule may know.
struct ScheduleContext {
  std::int64_t total_steps = 0;
  std::int64_t tokens_per_step = 0;
  std::int64_t tokens_per_epoch = 0;
  std::int64_t num_parameters = 0;
};

/// Learning-rate factor of update t = 0, 1, …, total_steps-1: a pure function.
class Schedule {
 public:
  virtual ~Schedule() = default;
  virtual double factor(std::int64_t t) const = 0;
};

struct ScheduleEntry : Entry {
  static constexpr const char* kFamily = "schedules";
  std::function<std::unique_ptr<Schedule>(const ConfigObject& settings, const ScheduleContext& context)> make;
};

/// Decides a factor for the gradients from their squared norms.
class Clipper {
 public:
  virtual ~Clipper() = default;
  /// `grad_norm` is that of the mean gradient over target tokens. Returns the factor that multiplies it.
  virtual double factor(double grad_norm) const = 0;
};

struct ClipperEntry : Entry {
  static constexpr const char* kFamily = "clippers";
  std::function<std::unique_ptr<Clipper>(const ConfigObject& settings)> make;
};

void register_all_optimizers(Family<OptimizerEntry>& family);
void register_all_schedules(Family<ScheduleEntry>& family);
void register_all_clippers(Family<ClipperEntry>& family);

}  // namespace ingot
