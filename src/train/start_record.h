#pragma once
// What a run says and records of itself before its first step. Private to the train module.

#include "train/train_run.h"

namespace ingot {

/// metrics.jsonl, config.yaml, the table at the start, facts of the attempt.
void begin_record(const TrainRun& run);

/// Times the network between the ranks, and names those that are slow.
void measure_network(const TrainRun& run);

}  // namespace ingot
