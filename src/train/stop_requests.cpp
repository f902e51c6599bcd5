#include "train/stop_requests.h"

#include "base/stop_signals.h"
#include "run/stop_file.h"

namespace ingot {

std::string stop_text(StopReason reason) {
  switch (reason) {
    case StopReason::kNone:
      return "";
    case StopReason::kSigterm:
      return "SIGTERM";
    case StopReason::kSigint:
      return "SIGINT";
    case StopReason::kSigusr1:
      return "SIGUSR1";
    case StopReason::kSighup:
      return "SIGHUP";
    case StopReason::kStopFile:
      return "the file STOP";
    case StopReason::kTimeLimit:
      return "train.time_limit";
  }
  return "";
}

StopRequests::StopRequests(const RunConfig& config, const World& world)
    : stop_file_(stop_file(config.run.dir)), time_limit_(config.train.time_limit), world_(world) {}

StopReason StopRequests::here() const {
  const auto signal = StopSignals::received();
  for (const auto reason : {StopReason::kSigterm, StopReason::kSigint, StopReason::kSigusr1, StopReason::kSighup}) {
    if (signal == stop_text(reason)) return reason;
  }
  if (!world_.is_first()) return StopReason::kNone;
  if (fs::exists(stop_file_)) return StopReason::kStopFile;
  if (time_limit_ && seconds_since(started_) >= time_limit_->value) return StopReason::kTimeLimit;
  return StopReason::kNone;
}

bool StopRequests::anywhere() const { return here() != StopReason::kNone || !world_.stop_request().empty(); }

std::string StopRequests::text() const {
  const auto reason = here();
  return reason == StopReason::kNone ? world_.stop_request() : stop_text(reason);
}

}  // namespace ingot
