#pragma once
// A config turned into a model, its weights and its optimizer, with every `auto` replaced by a choice.

#include <cstdint>
#include <optional>

#include "train/setup.h"

namespace ingot {

/// What is known of the data before a model is built.
struct DataFacts {
  std::int64_t vocab_size = 0;
  std::optional<std::int64_t> tokens_per_epoch;  // unknown while no data is open
  int world_size = 1;                            // ranks, and those of them that share this machine
  int local_world_size = 1;
  int rank = 0;
  /// Of masters, and of stream and products where the config says fp32; kDouble in tests.
  at::ScalarType float_type = at::kFloat;
  /// How settings that are `auto` are chosen. With nothing measured: fp32 on CPUs, and the largest useful micro-batch.
  Measure measure = Measure::kMemory;
  bool epoch_is_nominal = false;  // of a plan: what depends on its length is not judged
  bool warns = true;              // of settings that do nothing, in the log
};

/// `micro_batch: auto` measures what the model's parts take. Throws ConfigError. Durations in epochs need
/// `facts.tokens_per_epoch`.
TrainSetup make_setup(const RunConfig& config, const Families& families, const DataFacts& facts);

}  // namespace ingot
