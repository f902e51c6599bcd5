#pragma once
// Training runs of one config that differ in some settings, one after another, in a folder of their own.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"

namespace ingot {

struct Trial {
  std::string name;  // of its run directory: "lr_0.004_seed_1"
  std::vector<std::string> overrides;
};

struct TrialResult {
  bool diverged = false;           // the rest is then unknown
  std::optional<double> held_out;  // loss of the first validation set after the last step, in nats per token
  double seconds = 0;              // of training
};

class TrialRunner {
 public:
  /// Runs lie in `folder`/runs, what they print in `folder`/logs. `overrides` act before a trial's own.
  TrialRunner(fs::path folder, std::string config, std::vector<std::string> overrides)
      : folder_(std::move(folder)), config_(std::move(config)), overrides_(std::move(overrides)) {}

  /// Trains; goes on where an interrupted call stopped; a trial that was finished before is only read. Its checkpoints
  /// are removed at the end. Throws Error(kStopped) on a request to stop, and the error of a run that failed for
  /// another reason than that it diverged.
  TrialResult run(const Trial& trial) const;
  /// Training losses of a trial by learning rate, in the order of its steps.
  std::vector<std::pair<double, double>> losses_by_rate(const Trial& trial) const;

 private:
  fs::path run_of(const Trial& trial) const { return folder_ / "runs" / trial.name; }

  fs::path folder_;
  std::string config_;
  std::vector<std::string> overrides_;
};

}  // namespace ingot
