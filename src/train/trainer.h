#pragma once
// A whole training run: from a config to a trained model in a run directory.

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "dist/launch.h"
#include "train/resume.h"

namespace ingot {

struct TrainRequest {
  /// Reads the config; may throw. All ranks of a launch hear of it if one of them cannot.
  std::function<RunConfig()> config;
  ResumeChoice resume;
  std::vector<std::string> command_line;  // for attempts/NNNN.json
  LaunchPlace place;
};

/// Runs to the end (kDone) or to a requested stop after saving (kStopped). Errors are thrown after status.json and the
/// attempt's record say what happened. On ranks other than the first errors become the exit code, since rank 0 says
/// what there is to say; what it cannot know is logged as one line.
ExitCode train(const TrainRequest& request, const Families& families);

}  // namespace ingot
