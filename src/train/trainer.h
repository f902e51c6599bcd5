#pragma once
// A whole training run: from a config to a trained model in a run directory.

#include <string>
#include <vector>

#include "base/error.h"
#include "train/resume.h"

namespace ingot {

struct TrainRequest {
  RunConfig config;
  ResumeChoice resume;
  std::vector<std::string> command_line;  // for attempts/NNNN.json
};

/// Runs to the end (kDone) or to a requested stop after saving (kStopped). Errors are thrown after status.json and the
/// attempt's record say what happened.
ExitCode train(const TrainRequest& request, const Families& families);

}  // namespace ingot
