#pragma once
// status.json and summary.json: what a run is doing, what came out.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/files.h"

namespace ingot {

enum class RunState { kRunning, kDone, kStopped, kDiverged, kFailed };

std::string_view run_state_name(RunState state);

struct RunStatus {
  RunState state = RunState::kRunning;
  std::optional<int> exit_code;  // none while running
  std::int64_t step = 0;
  std::string reason;  // one line; empty if there is nothing to say
  bool retry = false;  // whether starting the same command again can help
  /// Whatever else is worth showing: total_steps, tokens, loss, seconds_left, checkpoint, attempt …
  nlohmann::json details = nlohmann::json::object();
};

/// The status with which a run ends.
RunStatus final_status(ExitCode code, std::int64_t step, const std::string& reason);

/// Atomic. Adds "updated" (Unix seconds), "host" and "pid". A failure is logged, once in a row, and not thrown: it must
/// neither end a run nor hide why one ended.
void write_status(const fs::path& run_dir, const RunStatus& status);
/// As written, or none if there is no file. Throws ConfigError naming the file and what in it cannot be read.
std::optional<RunStatus> read_status(const fs::path& run_dir);
/// As `read_status`, but a run that says 'running' while nobody holds its lock was killed: failed, retry.
std::optional<RunStatus> current_status(const fs::path& run_dir);

/// Throws Error naming the file if it cannot be written.
void write_summary(const fs::path& run_dir, const nlohmann::ordered_json& summary);

}  // namespace ingot
