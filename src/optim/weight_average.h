#pragma once
// The average of a run's masters, of what this process owns; internal to the engine.

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "optim/average.h"

namespace ingot {

class WeightAverage {
 public:
  /// Throws ConfigError if the settings' selector matches no trained parameter. The store must outlive it.
  WeightAverage(const Variant<AverageEntry>& variant, const ScheduleContext& context, const ParameterStore& store,
                int num_sublayers);

  bool is_on() const { return average_ != nullptr; }
  /// Bytes of what the store owns, known without `allocate`.
  std::int64_t bytes() const;
  void allocate();
  /// The masters after the update at a position of the schedules enter, if it is their turn.
  void take(std::int64_t position);
  /// How many have entered.
  std::int64_t taken() const { return taken_; }
  void restore_taken(std::int64_t taken) { taken_ = taken; }
  /// Blends the average into `flat`, which holds the masters. Something must have entered.
  void blend_into(at::Tensor& flat) const;
  /// "layers.0.mixer.q.weight@average"; views.
  StateTensors state() const;

 private:
  bool averages(const Master& master) const { return is_averaged_[master.index]; }

  std::unique_ptr<Average> average_;
  AverageScope scope_;
  const ParameterStore& store_;
  std::vector<bool> is_averaged_;     // by index of the master
  std::vector<at::Tensor> averages_;  // of those parts in `store.owned()` that are averaged
  std::int64_t start_ = 0;            // position
  std::int64_t taken_ = 0;
};

}  // namespace ingot
