#pragma once
// What the parts of a model cost on a machine: memory that a forward pass leaves behind, peaks, time.

#include <cstdint>
#include <vector>

namespace ingot {

/// fixed + per_token × tokens of a micro-batch.
struct Affine {
  double fixed = 0;
  double per_token = 0;
  double at(double tokens) const { return fixed + per_token * tokens; }
};

/// Bytes beyond what lies there before the part's forward pass.
struct PartCost {
  Affine kept;           // after the forward pass, for the backward pass
  Affine forward_peak;   // within the forward pass
  Affine backward_peak;  // within the backward pass
  double seconds_per_token = 0;
};

/// What is measured. On CPUs memory alone takes no products, so that a large model is no matter.
enum class Measure { kNothing, kMemory, kMemoryAndTime };

struct ModelCosts {
  PartCost frame;               // embedding and final norm
  std::vector<PartCost> kinds;  // of sub-layers, without the frame
  std::vector<int> kind;        // of each sub-layer
  bool timed = false;           // else what follows, and seconds_per_token of the parts, are 0
  double head_seconds_per_token = 0;
  double update_seconds = 0;
  std::int64_t program_bytes = 0;  // of the process without tensors, on CPUs
};

}  // namespace ingot
