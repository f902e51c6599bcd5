#include "study/trials.h"

#include <cstring>

#include "base/error.h"
#include "base/json.h"
#include "base/stop_signals.h"
#include "base/text.h"
#include "run/metrics.h"
#include "run/status.h"
#include "study/child.h"

namespace ingot {
namespace {

/// What came out, if the run is over.
std::optional<TrialResult> result_of(const fs::path& run) {
  if (!fs::exists(run)) return std::nullopt;
  const auto status = current_status(run);
  TrialResult result;
  if (status && status->state == RunState::kDiverged) {
    result.diverged = true;
    return result;
  }
  if (!status || status->state != RunState::kDone) return std::nullopt;
  const auto summary = JsonValue::read(run / "summary.json", ExitCode::kOther);
  result.seconds = summary.at("seconds").number();
  if (const auto sets = summary.find("evaluation")) {
    const auto members = sets->members();
    if (!members.empty()) result.held_out = members.front().second.at("loss").number();
  }
  return result;
}

/// The last line that a failed run printed, which says what was wrong.
std::string last_words(const fs::path& log) {
  const std::string text = read_file(log);
  const auto lines = split(trim(text), '\n');
  if (lines.empty()) return "it printed nothing";
  constexpr std::string_view kMark = "error: ";  // behind the time
  const auto& last = lines.back();
  const auto mark = last.find(kMark);
  return mark == std::string::npos ? last : last.substr(mark + kMark.size());
}

}  // namespace

TrialResult TrialRunner::run(const Trial& trial) const {
  const auto run = run_of(trial);
  if (const auto known = result_of(run)) return *known;
  const auto log = folder_ / "logs" / (trial.name + ".txt");
  fs::create_directories(log.parent_path());
  std::vector<std::string> arguments = {"ingot", "train", config_};
  arguments.insert(arguments.end(), overrides_.begin(), overrides_.end());
  arguments.insert(arguments.end(), trial.overrides.begin(), trial.overrides.end());
  for (const char* common : {"checkpoint.keep_last=1", "log.tensorboard=false"}) arguments.push_back(common);
  arguments.push_back(cat("run.name=", trial.name));
  arguments.push_back(cat("run.dir=", run.string()));
  const auto end = run_child(arguments, log);
  const auto signal = StopSignals::received();
  if (!signal.empty() || end.ended_with(ExitCode::kStopped)) {
    throw Error(ExitCode::kStopped, cat("stopped", signal.empty() ? "" : " on ", signal,
                                        ": finished trials are kept, run the same command again to go on"));
  }
  if (end.signal) {
    throw Error(ExitCode::kOther, cat("the trial ", trial.name, " was ended by signal ", *end.signal, " (",
                                      ::strsignal(*end.signal), "); what it printed is in ", log.string()));
  }
  const bool is_over = end.ended_with(ExitCode::kDone) || end.ended_with(ExitCode::kDiverged);
  if (!is_over) {
    throw Error(static_cast<ExitCode>(end.code),
                cat("the trial ", trial.name, " failed: ", last_words(log), " (", log.string(), ")"));
  }
  fs::remove_all(run / "checkpoints");
  const auto result = result_of(run);
  if (!result) throw Error(ExitCode::kOther, cat(run.string(), " does not say how its run ended"));
  return *result;
}

std::vector<std::pair<double, double>> TrialRunner::losses_by_rate(const Trial& trial) const {
  std::vector<std::pair<double, double>> out;
  for (const auto& line : read_metrics(run_of(trial) / "metrics.jsonl")) {
    if (line.at("kind") != "train" || !line.at("loss").is_number()) continue;
    out.emplace_back(line.at("lr").get<double>(), line.at("loss").get<double>());
  }
  return out;
}

}  // namespace ingot
