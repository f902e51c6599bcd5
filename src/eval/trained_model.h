#pragma once
// A model with its trained weights, opened from a run or a checkpoint directory.

#include <memory>
#include <optional>
#include <string>

#include "data/tokenizer.h"
#include "model/language_model.h"
#include "recipe/run_config.h"

namespace ingot {

/// Of a run that evaluated others than it trained: averages, or those of a schedule-free optimizer.
enum class WeightsKind { kToEvaluate, kTrained };

struct TrainedModel {
  fs::path checkpoint;
  fs::path run_dir;  // RUN of RUN/checkpoints/step-…, absolute
  std::int64_t step = 0;
  RunConfig config;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::optional<TokenId> opener;  // the input that documents began with in training, if it is one token
  std::unique_ptr<ParameterStore> store;
  std::unique_ptr<LanguageModel> model;
};

/// The newest valid checkpoint of a run, or the one given. Weights only: no optimizer state, no data is opened. Where
/// the checkpoint has no weights to evaluate, they are those that were trained. In the precision that the run had,
/// unless another is given. Throws CheckpointError or DataError (no tokenizer beside the
/// run).
TrainedModel open_trained_model(const fs::path& run_or_checkpoint, const Families& families,
                                WeightsKind weights = WeightsKind::kToEvaluate,
                                std::optional<Precision> precision = {});

}  // namespace ingot
