#include "train/trainer.h"

#include <cstdio>

#include "base/log.h"
#include "base/text.h"
#include "train/loop.h"
#include "train/report.h"
#include "train/run_lock.h"
#include "train/run_status.h"
#include "train/signals.h"

namespace ingot {
namespace {

void prepare_directory(const fs::path& dir) {
  std::error_code error;
  fs::create_directories(dir, error);
  if (error) throw ConfigError(cat("run.dir: cannot create ", dir.string(), ": ", error.message()));
}

bool is_finished(const std::optional<ResumePoint>& point, const TrainRequest& request) {
  return point && point->finished && request.resume.kind == ResumeChoice::Kind::kAuto;
}

}  // namespace

ExitCode train(const TrainRequest& request, const Families& families) {
  RunConfig config = request.config;
  const fs::path dir = config.run.dir;
  prepare_directory(dir);
  RunLock lock(dir);
  const auto point = find_resume_point(dir, request.resume);
  if (point) adopt_checkpoint_config(config, *point, families);
  if (is_finished(point, request)) {
    std::fprintf(stderr, "%s\n", finished_text(dir.string(), point->step).c_str());
    return ExitCode::kDone;
  }
  fs::remove(stop_file(dir));
  log::open_file((dir / "log.txt").string());
  AttemptRecord attempt(dir, request.command_line);
  StopSignals signals;
  RunStatus status;
  status.step = point ? point->step : 0;
  write_status(dir, status);
  TrainLoop loop(config, families, point, attempt, lock);
  ExitCode code = ExitCode::kDone;
  std::string reason;
  try {
    code = loop.run();
    reason = loop.stop_reason();
  } catch (const std::exception& error) {
    const Error known = as_error(error);
    write_status(dir, final_status(known.code(), loop.counters().step, known.what()));
    attempt.finish(known.code(), known.what());
    log::close_file();
    throw known;
  }
  write_status(dir, final_status(code, loop.counters().step, reason));
  attempt.finish(code, reason);
  log::close_file();
  return code;
}

}  // namespace ingot
