#pragma once
// What the parts of a model cost on this machine, measured: memory that a forward pass leaves behind, peaks, time.
//
// Each kind of sub-layer (same operator, norms, factors) runs alone between an embedding and the final norm, on a few short
// rows of two sizes. Bytes are affine in the tokens of a micro-batch, so two sizes tell them for any; a whole model is then
// put together from its parts. Nothing about an operator has to be declared for this, so it holds for every variant, with
// any recompute policy.

#include <cstdint>
#include <vector>

namespace ingot {

class Families;
struct Experiment;

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

/// Takes memory for one sub-layer, and from milliseconds to a few seconds.
ModelCosts measure_costs(const Experiment& experiment, const Families& families, Measure measure);

/// Memory of one rank at its peak in bytes: on a CPU that of the process, on a GPU that of its tensors there.
struct MemoryPlan {
  std::int64_t weights = 0, masters = 0, gradients = 0, optimizer = 0;
  std::int64_t activations = 0;  // and gradients of activations, logits: what a micro-batch needs beside the rest
  std::int64_t checkpoint = 0;   // the copy of masters and optimizer that is written while training goes on
  std::int64_t program = 0;      // code, threads, libraries, open data
  std::int64_t step_tensors() const { return weights + masters + gradients + optimizer + activations; }
  std::int64_t total() const { return step_tensors() + checkpoint + program; }
};
/// For micro-batches of `rows` sequences; without `costs` no activations are counted.
MemoryPlan plan_memory(const Experiment& experiment, const ModelCosts* costs, std::int64_t rows);
/// For the experiment's own costs and micro-batch.
MemoryPlan plan_memory(const Experiment& experiment);

/// Bytes that a run on the experiment's device can still get.
std::int64_t available_memory(const Experiment& experiment);
/// The rows of the largest micro-batch that fits into nine tenths of the available memory; 0 if none does.
std::int64_t fitting_rows(const Experiment& experiment, const ModelCosts& costs);
/// The rows of the largest micro-batch that is worth while, whatever memory there is.
std::int64_t useful_rows(const Experiment& experiment);
/// The largest useful divisor of the global batch that fits; 1 if none does.
std::int64_t choose_micro_batch(const Experiment& experiment, const ModelCosts& costs);

/// Seconds of a step of a rank that gets most of the batch, the network apart.
double step_seconds(const Experiment& experiment, const ModelCosts& costs);

}  // namespace ingot
