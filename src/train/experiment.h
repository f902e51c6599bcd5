#pragma once
// A config turned into a model, its weights and its optimizer, with every `auto` replaced by a choice.

#include <cstdint>
#include <memory>
#include <optional>

#include "dist/shards.h"
#include "model/language_model.h"
#include "optim/engine.h"
#include "train/config.h"
#include "train/costs.h"

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

/// The model's weights are not allocated: `plan` of a model larger than the machine works.
struct Experiment {
  RunConfig config;  // resolved
  std::unique_ptr<ParameterStore> store;
  std::unique_ptr<LanguageModel> model;
  std::unique_ptr<OptimizerEngine> optimizer;
  std::unique_ptr<Shards> shards;  // null: every rank has all

  std::int64_t vocab_size = 0;
  int world_size = 1;
  std::int64_t rows_per_step = 0;  // sequences of a global batch
  std::int64_t micro_batch = 0;
  std::int64_t tokens_per_step = 0;
  std::int64_t total_steps = 0;
  DurationContext durations;        // for cadences
  ScheduleContext schedule;         // what schedules count as the whole run
  std::optional<ModelCosts> costs;  // if they had to be measured

  /// Of a rank that gets most.
  std::int64_t rows_per_rank() const { return (rows_per_step + world_size - 1) / world_size; }
  std::int64_t tokens_per_rank() const { return rows_per_rank() * config.data.seq_len; }
  at::ScalarType compute_dtype() const { return store->options().compute_dtype; }
  std::int64_t steps(const Duration& duration) const { return duration.steps(durations); }
};

/// `micro_batch: auto` measures what the model's parts take. Throws ConfigError. Durations in epochs need `facts.tokens_per_epoch`.
Experiment make_experiment(const RunConfig& config, const Families& families, const DataFacts& facts);

/// What the config's types mean for a model and its weights; `float_type` stands for fp32.
ModelOptions model_options(const RunConfig& config, std::int64_t vocab_size, at::ScalarType float_type = at::kFloat);
StoreOptions store_options(const RunConfig& config, at::ScalarType float_type = at::kFloat);
/// The CPU for `auto`, which make_experiment replaces.
at::Device torch_device(DeviceKind device);
/// "auto", "fp32", "bf16".
std::string precision_name(Precision precision);

/// Vocabulary size that the tokenizer's settings tell; throws ConfigError if only the data can tell it.
std::int64_t planned_vocab_size(const RunConfig& config);

/// Whether each rank keeps only the gradients of what it owns.
bool shares_gradients(const Experiment& experiment);
/// Bytes of a bucket of gradients.
std::int64_t bucket_bytes(const ParameterStore& store, const DistributedSection& distributed);

}  // namespace ingot
