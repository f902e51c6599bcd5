#include "run/status.h"

#include <CLI/CLI.hpp>
#include <fstream>
#include <memory>

#include "base/text.h"
#include "checkpoint/checkpoint.h"
#include "cli/command.h"
#include "run/lock.h"
#include "run/stop_file.h"

namespace ingot {
namespace {

struct Options {
  std::string run;
  bool json = false;
};

RunStatus status_of(const fs::path& run) {
  const auto status = current_status(run);
  if (!status) throw ConfigError(cat(run.string(), " holds no run: no status.json"));
  return *status;
}

std::string status_json(const fs::path& run, const RunStatus& status) {
  nlohmann::ordered_json out = {{"run", fs::absolute(run).lexically_normal().string()},
                                {"state", run_state_name(status.state)},
                                {"step", status.step},
                                {"reason", status.reason},
                                {"retry", status.retry}};
  out["exit_code"] = status.exit_code ? nlohmann::ordered_json(*status.exit_code) : nlohmann::ordered_json();
  for (const auto& [key, value] : status.details.items()) out[key] = value;
  for (const auto& checkpoint : list_checkpoints(run)) out["checkpoints"].push_back(checkpoint.path.string());
  return out.dump(2);
}

std::string status_text(const fs::path& run, const RunStatus& status) {
  auto text = cat(run.string(), ": ", run_state_name(status.state), " at step ", status.step);
  const auto& details = status.details;
  if (details.contains("total_steps")) text += cat(" of ", details["total_steps"].get<std::int64_t>());
  if (details.contains("loss") && details["loss"].is_number()) text += cat(", loss ", details["loss"].get<double>());
  if (status.state == RunState::kRunning && details.contains("seconds_left")) {
    text += cat(", ", format_duration(details["seconds_left"].get<double>()), " left");
  }
  if (!status.reason.empty()) text += cat("\n  reason: ", status.reason);
  if (status.retry) text += "\n  run the same command again to go on";
  const auto checkpoints = list_checkpoints(run);
  if (!checkpoints.empty()) text += cat("\n  newest checkpoint: ", checkpoints.back().path.string());
  return text;
}

/// Whether the run has its lock, but still the status of an earlier start, or none.
bool is_starting(const fs::path& run) {
  if (!current_holder(run)) return false;
  std::error_code missing;
  const auto status = fs::last_write_time(run / "status.json", missing);
  return missing || status < fs::last_write_time(run / "run.lock", missing);
}

}  // namespace

void add_status(CLI::App& app, CommandLine& line) {
  auto* command = app.add_subcommand("status", "Say what a run is doing");
  auto options = std::make_shared<Options>();
  command->add_option("run", options->run, "run directory")->required();
  command->add_flag("--json", options->json, "one JSON document");
  command->footer("Example: ingot status runs/quickstart --json");
  command->callback([&line, options] {
    line.run = [options] {
      const auto status = status_of(options->run);
      print_result(options->json ? status_json(options->run, status) : status_text(options->run, status));
      return ExitCode::kDone;
    };
  });
}

void add_stop(CLI::App& app, CommandLine& line) {
  auto* command = app.add_subcommand("stop", "Ask a run to save and stop after its current step");
  auto options = std::make_shared<Options>();
  command->add_option("run", options->run, "run directory")->required();
  command->footer("Example: ingot stop runs/quickstart");
  command->callback([&line, options] {
    line.run = [options] {
      const auto status = is_starting(options->run) ? RunStatus{} : status_of(options->run);
      if (status.state != RunState::kRunning) {
        print_result(cat(options->run, " is not running: ", run_state_name(status.state), " at step ", status.step));
        return ExitCode::kDone;
      }
      write_file_atomic(stop_file(options->run), "");
      print_result(cat(options->run, " was asked to stop; it saves and leaves with 75"));
      return ExitCode::kDone;
    };
  });
}

}  // namespace ingot
