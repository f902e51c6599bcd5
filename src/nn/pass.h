#pragma once
// Where in a run a forward pass takes place, and what it is for.

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ingot {

/// The point of a run between two updates.
struct RunPoint {
  std::int64_t updates = 0;        // applied so far: 0 in the pass that leads to the first
  std::int64_t total_updates = 0;  // of the whole run, if no step is skipped; 0 outside of a run
  std::uint64_t seed = 0;          // run.seed
};

/// kRecompute: a part of a training pass runs again within the backward pass (nn/recompute.h).
enum class PassKind { kTraining, kEvaluation, kRecompute };

/// What norms, residual rules and noise may depend on beside their inputs.
struct Pass {
  RunPoint point;
  bool training = false;
  /// [B] int64 on the CPU: the index of each row's sample in the order of the data, the same however a step is split.
  /// The meta prefix, which all rows share, has -1. Undefined outside of training.
  at::Tensor samples;

  PassKind kind() const;
};

}  // namespace ingot
