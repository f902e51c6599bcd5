#pragma once
// The hooks that there are. Each is null where the config does not ask for it. Private to src/train.

#include <memory>

#include "train/hooks/hook.h"

namespace ingot {

/// Which samples each rank used at each step (log.samples).
std::unique_ptr<Hook> make_sample_log(TrainRun& run);
/// What becomes of losses that are not finite (train.on_nonfinite, train.max_skipped) or leap (train.spikes).
std::unique_ptr<Hook> make_nonfinite_guard(TrainRun& run);
std::unique_ptr<Hook> make_spike_ladder(TrainRun& run);
/// Which ranks hold the others up.
std::unique_ptr<Hook> make_stragglers(TrainRun& run);
/// Lines of the log and of metrics.jsonl, progress, status (log.every decides when).
std::unique_ptr<Hook> make_training_log(TrainRun& run);
/// Whether all ranks have the same weights (distributed.check_every).
std::unique_ptr<Hook> make_weights_check(TrainRun& run);
/// Text of the model's (evaluation.prompts).
std::unique_ptr<Hook> make_sample_texts(TrainRun& run);
/// Measurements (log.probes, log.stream).
std::unique_ptr<Hook> make_probes(TrainRun& run);

}  // namespace ingot
