#pragma once
// How a run gets its data and its model. Private to the train module.

#include "train/stop_requests.h"
#include "train/train_run.h"

namespace ingot {

/// Opens or prepares the data, on all ranks together. Throws Error(kStopped) where a request ended that, DataError if
/// ranks have other data than rank 0.
void open_data(TrainRun& run, const StopRequests& requests);

/// Model, weights and optimizer, allocated but without values; `run.config` is resolved.
void make_model(TrainRun& run);

/// Before the run rather than at the first sample: throws ConfigError for a prompt that the model cannot take.
void check_prompts(const TrainRun& run);

}  // namespace ingot
