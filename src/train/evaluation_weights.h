#pragma once
// Evaluating other weights than those that are trained, where the optimizer has such: averages, schedule-free.

#include "train/train_run.h"

namespace ingot {

/// They after the updates so far, laid out as the store's flat masters; undefined while they are the masters.
/// Constraints that are in force put them on their sets; their states, and those of parametrizations, are the trained
/// weights'.
at::Tensor weights_to_evaluate(TrainRun& run);

/// While it lives the store and the model have the weights to evaluate. All ranks make one together.
class EvaluationWeights {
 public:
  explicit EvaluationWeights(TrainRun& run);
  /// Trained weights again, bit by bit. All ranks together, whatever they did in between. Where it is not called, the
  /// run is over.
  void end();

 private:
  TrainRun& run_;
  at::Tensor others_;  // laid out as the flat masters; undefined if there is nothing to exchange
};

}  // namespace ingot
