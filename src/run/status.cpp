#include "run/status.h"

#include <unistd.h>

#include <array>
#include <cstdlib>

#include "base/clock.h"
#include "base/host.h"
#include "base/json.h"
#include "base/log.h"
#include "base/staged.h"
#include "base/text.h"
#include "run/lock.h"

namespace ingot {
namespace {

constexpr std::array<std::pair<RunState, std::string_view>, 5> kStates{{{RunState::kRunning, "running"},
                                                                        {RunState::kDone, "done"},
                                                                        {RunState::kStopped, "stopped"},
                                                                        {RunState::kDiverged, "diverged"},
                                                                        {RunState::kFailed, "failed"}}};

constexpr std::int64_t kMostBytes = 1 << 20;  // of status.json

fs::path status_file(const fs::path& run_dir) { return run_dir / "status.json"; }

/// Whole or absent for readers, like write_file_atomic, but not forced to the disk: a status is replaced every few
/// seconds and is of no use after a power cut.
void replace_file(const fs::path& path, const std::string& text) {
  Staged staged(path, ExitCode::kOther);
  FileWriter file(staged.path(), ExitCode::kOther);
  file.write(text);
  file.flush();
  staged.commit(Staged::Durable::kNo);
}

RunState state_from(const JsonValue& value) {
  for (const auto& [state, name] : kStates) {
    if (name == value.text()) return state;
  }
  value.expected("the state of a run");
}

RunStatus status_from(const JsonValue& document) {
  RunStatus status;
  status.state = state_from(document.at("state"));
  const auto code = document.at("exit_code");
  if (!code.is_null()) status.exit_code = static_cast<int>(code.whole(0, 255));
  status.step = document.at("step").whole(0);
  status.reason = document.at("reason").text();
  status.retry = document.at("retry").flag();
  for (const auto& [key, value] : document.members()) {
    const bool own = key == "state" || key == "exit_code" || key == "step" || key == "reason" || key == "retry";
    if (own || value.is_null()) continue;  // null: was not finite
    if (key == "total_steps") value.whole(0);
    if (key == "loss" || key == "seconds_left") value.number();
    status.details[key] = value.raw();
  }
  return status;
}

}  // namespace

std::string_view run_state_name(RunState state) {
  for (const auto& [known, name] : kStates) {
    if (known == state) return name;
  }
  return "";
}

RunStatus final_status(ExitCode code, std::int64_t step, const std::string& reason) {
  RunStatus status;
  status.exit_code = static_cast<int>(code);
  status.step = step;
  status.reason = reason;
  switch (code) {
    case ExitCode::kDone:
      status.state = RunState::kDone;
      break;
    case ExitCode::kStopped:
    case ExitCode::kInterrupted:
      status.state = RunState::kStopped;
      status.retry = true;
      break;
    case ExitCode::kDiverged:
      status.state = RunState::kDiverged;
      break;
    default:
      status.state = RunState::kFailed;
      // A peer or the network may be back; anything else fails again until somebody acts.
      status.retry = code == ExitCode::kDistributed;
  }
  return status;
}

void write_status(const fs::path& run_dir, const RunStatus& status) {
  nlohmann::ordered_json document = {{"state", run_state_name(status.state)},
                                     {"exit_code", nullptr},
                                     {"step", status.step},
                                     {"reason", status.reason},
                                     {"retry", status.retry}};
  if (status.exit_code) document["exit_code"] = *status.exit_code;
  for (const auto& [key, value] : status.details.items()) document[key] = value;
  document["updated"] = static_cast<std::int64_t>(unix_seconds());
  document["host"] = host_name();
  document["pid"] = ::getpid();
  const std::string text = document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  try {
    if (status.state == RunState::kRunning) {
      replace_file(status_file(run_dir), text);
    } else {
      write_file_atomic(status_file(run_dir), text);
    }
  } catch (const std::exception& e) {
    log::warning_once(cat("status ", run_dir.string()), cat("status.json is not up to date: ", e.what()));
  }
}

std::optional<RunStatus> read_status(const fs::path& run_dir) {
  const fs::path file = status_file(run_dir);
  if (!fs::exists(file)) return std::nullopt;
  try {
    return status_from(JsonValue::read(file, ExitCode::kConfig, {kMostBytes}));
  } catch (const Error& error) {
    throw ConfigError(cat(error.what(), "; `ingot train` writes this file anew"));
  }
}

std::optional<RunStatus> current_status(const fs::path& run_dir) {
  std::optional<RunStatus> status = read_status(run_dir);
  if (!status || status->state != RunState::kRunning || current_holder(run_dir)) return status;
  status->state = RunState::kFailed;
  status->reason = "its process ended without a word (killed, out of memory or power cut)";
  status->retry = true;
  return status;
}

void write_summary(const fs::path& run_dir, const nlohmann::ordered_json& summary) {
  write_file_atomic(run_dir / "summary.json",
                    summary.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

}  // namespace ingot
