#pragma once
// A model, its weights and its optimizer as a config describes them.

#include <cstdint>
#include <memory>
#include <optional>

#include "dist/shards.h"
#include "model/language_model.h"
#include "optim/engine.h"
#include "recipe/run_config.h"
#include "train/batch_plan.h"
#include "train/model_costs.h"

namespace ingot {

/// The model's weights are not allocated: `plan` of a model larger than the machine works.
struct TrainSetup {
  RunConfig config;  // resolved
  std::unique_ptr<ParameterStore> store;
  std::unique_ptr<LanguageModel> model;
  std::unique_ptr<OptimizerEngine> optimizer;
  std::unique_ptr<Shards> shards;  // null: every rank has all

  std::int64_t vocab_size = 0;
  int world_size = 1;
  BatchPlan batches;               // of updates as schedules count them
  std::int64_t rows_per_step = 0;  // sequences of a full global batch
  std::int64_t micro_batch = 0;
  std::int64_t tokens_per_step = 0;  // at the full batch
  std::int64_t total_steps = 0;
  DurationContext durations;        // for cadences
  ScheduleContext schedule;         // what schedules count as the whole run
  std::optional<ModelCosts> costs;  // if they had to be measured

  /// Of a rank that gets most.
  std::int64_t rows_per_rank() const { return (rows_per_step + world_size - 1) / world_size; }
  std::int64_t tokens_per_rank() const { return rows_per_rank() * config.data.seq_len; }
  at::ScalarType compute_dtype() const { return store->options().compute_dtype; }
  /// Logits have factors of their own, which cost the same wherever they come from.
  bool scales_logits() const { return config.model.normalise_head || config.model.logit_scale; }
  std::int64_t steps(const Duration& duration) const { return duration.steps(durations); }
  /// Of the run's step `step`, from 0, whatever became of those before.
  std::int64_t rows_of_step(std::int64_t step) const { return batches.rows(first_position(config) + step); }
  /// Tokens of the pieces into which its rows are cut.
  std::int64_t length_of_step(std::int64_t step) const { return batches.length(first_position(config) + step); }
  std::int64_t total_tokens() const;
};

/// What schedules count as the whole run if it is that long.
ScheduleContext schedule_context(const TrainSetup& setup, const Duration& duration);
/// Whether each rank keeps only the gradients of what it owns.
bool shares_gradients(const TrainSetup& setup);
/// Bytes of a bucket of gradients.
std::int64_t bucket_bytes(const ParameterStore& store, const DistributedSection& distributed);

}  // namespace ingot
