#pragma once
// Runs of the program over several ranks.

#include <sys/types.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/files.h"
#include "cli/program.h"

namespace ingot::testing {

class Ranks : public Program {
 protected:
  /// A command line of `train` for the tiny config, with a micro-batch of one sequence.
  std::vector<std::string> train(const std::string& name, std::vector<std::string> more = {}) const;
  /// The same under --nproc.
  std::vector<std::string> train_on(int nproc, const std::string& name, std::vector<std::string> more = {}) const;
  /// A rank as torchrun would start it.
  std::unique_ptr<Process> start_rank(int rank, int world, int port, const std::vector<std::string>& command,
                                      const std::map<std::string, std::string>& variables = {}) const;

  fs::path run_dir(const std::string& name) const { return folder / ("runs/" + name); }
  std::vector<double> losses(const std::string& name) const;
  /// Model and optimizer files of the last checkpoint.
  std::string weights(const std::string& name, std::int64_t step) const;
  /// Waits until the run has logged that step; false if that takes more than a minute.
  bool reached(const std::string& name, std::int64_t step) const;
  /// What `log.samples` says of each step that counts, sorted: of each step the last attempt at it, of all ranks.
  std::map<std::int64_t, std::vector<std::int64_t>> committed_samples(const std::string& name) const;
  /// Lines of metrics.jsonl of the kind `event`, resumptions apart.
  std::vector<nlohmann::json> events_of(const std::string& name) const;
  nlohmann::json status(const std::string& name) const;

  /// The process of a rank that the run's --nproc started; 0 if there is none.
  pid_t process_of(const std::string& name, int rank) const;
  static int free_port();
};

/// The largest relative difference of two series of the same length.
double largest_difference(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace ingot::testing
