#pragma once
// What a run counts. Three counters, since a skipped step moves the first two only.

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "base/json.h"

namespace ingot {

struct Counters {
  std::int64_t step = 0;              // steps taken, applied or not
  std::int64_t samples_consumed = 0;  // sequences: all that the data order needs
  std::int64_t updates = 0;           // updates applied: what bias corrections and schedules count
  std::int64_t tokens = 0;            // sequences × seq_len
  std::int64_t skipped_in_a_row = 0;
  double seconds = 0;                // of training, over all attempts
  std::int64_t schedule_offset = 0;  // place in the schedules less `updates`, if the run took optimizer state over

  /// What norms and residual rules that change along the run count: also the updates of a run whose weights and place
  /// in the schedules this one took over.
  std::int64_t model_updates() const { return updates + std::max<std::int64_t>(0, schedule_offset); }
};

nlohmann::json to_json(const Counters& counters);
/// What a checkpoint's state.json holds, for checks of what is taken from it.
JsonValue state_value(const nlohmann::json& state);
/// Throws CheckpointError naming what is missing or wrong.
Counters counters_from_json(const nlohmann::json& state);

}  // namespace ingot
