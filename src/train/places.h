#pragma once
// Where in the files of the config a run's settings stand, for what only its set-up can judge.

#include <string>

#include "recipe/run_config.h"

namespace ingot {

/// Without a file where the config was made in code or came from another rank.
Location place_of(const RunConfig& config, const std::string& path);
/// "my.yaml:3:7: weights.constraints.0: message", as far as the place is known.
std::string placed(const RunConfig& config, const std::string& path, const std::string& message);
/// The lines of a message, those that begin with a known path ("weights.constraints.0: …") with its place before them.
std::string with_places(const RunConfig& config, const std::string& lines);

}  // namespace ingot
