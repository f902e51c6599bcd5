#pragma once
// What the difference between two configs does, decided by what each of them builds.

#include <functional>
#include <string>
#include <vector>

#include "config/dump.h"
#include "train/setup.h"

namespace ingot {

struct ConfigDiff {
  std::vector<Difference> differences;
  /// Rows of layers, parameters and course that differ, as text.
  std::vector<std::string> effects;
  /// Paths that change none of these rows but act: data, machine, loop.
  std::vector<std::string> outside;
  /// Paths without effect on what is trained: the run is the same with either value, in the one config and in the
  /// other.
  std::vector<std::string> dead;
};

/// Differences that only together make a config (all of a list, a variant of another name, a section that one side
/// lacks) are judged as one. `build` makes a set-up without weights; what it refuses is not judged dead.
ConfigDiff compare_configs(const RunConfig& before, const RunConfig& after, const Families& families,
                           const std::function<TrainSetup(const RunConfig& config)>& build);

}  // namespace ingot
