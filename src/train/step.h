#pragma once
// One training step: micro-batches forward and backward, then one update or none.

#include <cstdint>

#include "data/batch.h"
#include "train/experiment.h"

namespace ingot {

/// What a step did. Losses are means over its target tokens, in nats.
struct StepResult {
  double loss = 0;
  double z_loss = 0;     // weighted, as it was added
  double grad_norm = 0;  // of the mean gradient, before clipping
  double clip_factor = 1;
  std::int64_t targets = 0;
  bool applied = false;  // false: loss or gradients were not finite, or there was no target; weights are as before
};

class TrainStep {
 public:
  /// The store must be allocated and initialised or loaded.
  explicit TrainStep(Experiment& experiment) : experiment_(experiment) {}

  /// Adds the gradients of one micro-batch.
  void accumulate(const Batch& batch);
  /// Ends the step; `update` is the number of the update, from 1, if it is applied.
  StepResult finish(std::int64_t update);

 private:
  Experiment& experiment_;
  at::Tensor sums_;  // [2] fp64 on the model's device: cross-entropy, z-loss; undefined before the first micro-batch
  std::int64_t targets_ = 0;
};

/// Rows of a batch as int64 tensors on `device`; `documents` is undefined unless rows may hold several.
struct BatchTensors {
  at::Tensor tokens, targets, documents;
};
BatchTensors to_tensors(const Batch& batch, bool reset_at_document, at::Device device = at::kCPU);

}  // namespace ingot
