#pragma once
// The memory that a run takes, and the micro-batch that fits.

#include <cstdint>

#include "train/setup.h"

namespace ingot {

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
MemoryPlan plan_memory(const TrainSetup& setup, const ModelCosts* costs, std::int64_t rows);
/// For the set-up's own costs and micro-batch.
MemoryPlan plan_memory(const TrainSetup& setup);

/// Bytes that a run on the set-up's device can still get.
std::int64_t available_memory(const TrainSetup& setup);
/// The rows of the largest micro-batch that fits into nine tenths of the available memory; 0 if none does.
std::int64_t fitting_rows(const TrainSetup& setup, const ModelCosts& costs);
/// The rows of the largest micro-batch that is worth while, whatever memory there is.
std::int64_t useful_rows(const TrainSetup& setup);
/// The largest useful divisor of the global batch that fits; 1 if none does.
std::int64_t choose_micro_batch(const TrainSetup& setup, const ModelCosts& costs);

/// Seconds of a step of a rank that gets most of the batch, the network apart.
double step_seconds(const TrainSetup& setup, const ModelCosts& costs);

/// Bytes that this process holds already of those that a plan counts: on a CPU all that is resident.
std::int64_t held_memory(const TrainSetup& setup);

/// Throws OutOfMemoryError that names the limit if the model and its optimizer cannot fit; warns if the micro-batch may
/// not. Says nothing where no costs are known.
void check_memory(const TrainSetup& setup);

}  // namespace ingot
