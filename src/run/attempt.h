#pragma once
// attempts/NNNN.json: under what conditions a run was started.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/files.h"

namespace ingot {

/// "0007".
std::string attempt_name(std::int64_t number);

/// attempts/NNNN.json, one for each start of the run. Holds from the start: command line, working directory, host, pid,
/// version, LibTorch, CPU and instruction sets, the environment that can matter, scheduler ids, start.
class AttemptRecord {
 public:
  /// Takes the next free number. Only while holding the run's lock. Throws Error if the file cannot be written.
  AttemptRecord(const fs::path& run_dir, const std::vector<std::string>& command);
  std::int64_t number() const { return number_; }
  /// Adds facts (precision, kernels, hashes, ranks, resumed_from …) and writes the file; a failure is logged.
  void add(const nlohmann::ordered_json& facts);
  /// Adds end, exit_code and reason.
  void finish(ExitCode code, const std::string& reason);

 private:
  void write();
  fs::path path_;
  std::int64_t number_ = 0;
  nlohmann::ordered_json record_;
};

}  // namespace ingot
