#pragma once
// What a new run takes from the checkpoint that it begins with.

#include <string>

#include "recipe/run_config.h"
#include "run/counters.h"

namespace ingot {

struct StartPoint {
  fs::path checkpoint;
  Counters counters;         // what the new run counts from
  std::string other_course;  // why the data does not go on where the checkpoint stands, if `auto` decided so
};

/// Opens `config.train.start_from` and puts numbers in place of what it says of the checkpoint, so that the run no
/// longer needs it. Throws ConfigError if the data cannot go on though it is asked to.
StartPoint open_start(RunConfig& config, const std::string& data_identity, const Families& families);

/// "weights and optimizer state of 10 updates; data from sample 40, schedule from update 0 of 20".
std::string start_text(const RunConfig& config, const StartPoint& start, std::int64_t schedule_length);

}  // namespace ingot
