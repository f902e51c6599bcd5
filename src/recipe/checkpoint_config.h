#pragma once
// The section `checkpoint` of a config:
//
//   checkpoint: {every: 200 steps, keep_last: 2, keep_every: 10000 steps, async: true, best: validation}

#include <cstdint>
#include <optional>
#include <string>

#include "config/units.h"

namespace ingot {

struct CheckpointConfig {
  Cadence every{Seconds{600}};
  std::int64_t keep_last = 2;
  std::optional<Duration> keep_every;
  bool async = true;
  std::optional<std::string> best;  // name of an evaluation set
};
void describe(Fields& f, CheckpointConfig& c);

}  // namespace ingot
