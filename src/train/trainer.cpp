#include "train/trainer.h"

#include <cstdio>
#include <memory>
#include <optional>

#include "base/json.h"
#include "base/log.h"
#include "base/own_folder.h"
#include "base/printable.h"
#include "base/text.h"
#include "dist/secret.h"
#include "train/loop.h"
#include "train/run_summary.h"

namespace ingot {
namespace {

constexpr double kJoinTimeout = 600;  // seconds, for a rank that could not read its config

/// What rank 0 found and the others need to begin.
struct Opening {
  std::optional<ResumePoint> point;
  bool finished = false;
};

std::string to_text(const Opening& opening) {
  nlohmann::json out = {{"finished", opening.finished}};
  if (opening.point) {
    out["checkpoint"] = opening.point->checkpoint.string();
    out["step"] = opening.point->step;
    out["state"] = opening.point->state;
    out["other_files"] = opening.point->other_files;
  }
  return out.dump();
}

Opening opening_of(const std::string& text) {
  const auto value = JsonValue::parse(text, {"what rank 0 says of the start", ExitCode::kDistributed});
  Opening out;
  out.finished = value.at("finished").flag();
  if (const auto checkpoint = value.find("checkpoint")) {
    out.point.emplace();
    out.point->checkpoint = checkpoint->text();
    out.point->step = value.at("step").whole(0);
    out.point->state = value.at("state").raw();
    for (const auto& file : value.at("other_files").items()) out.point->other_files.push_back(file.text());
  }
  return out;
}

Opening open_run(RunConfig& config, const TrainRequest& request, const Families& families) {
  Opening out;
  out.point = find_resume_point(config.run.dir, request.resume);
  if (!out.point) return out;
  adopt_checkpoint_config(config, *out.point, families);
  const bool as_before = out.point->finished && !out.point->other_duration && !out.point->other_optim;
  out.finished = as_before && request.resume.kind == ResumeChoice::Kind::kAuto;
  if (out.finished) check_data_of_finished(config, *out.point, families);
  return out;
}

/// The config. If this rank cannot read it the others are told, instead of being left to wait.
RunConfig read_config(const TrainRequest& request) {
  try {
    return request.config();
  } catch (const std::exception& error) {
    const auto known = as_error(error);
    // The secret in the run directory is out of reach: which directory that is stands in the config.
    if (!request.place.distributed() || request.place.secret.empty()) throw known;
    try {
      World::decline(request.place, known.what(), {kJoinTimeout});
    } catch (const Error& heard) {
      if (request.place.rank != 0) log::set_terminal_level(log::Level::kNone);  // rank 0 says it
      const bool on_all_ranks = std::string_view(heard.what()) == known.what();
      throw on_all_ranks ? known : heard;
    }
  }
}

/// Whether another rank's line on the terminal says it all: rank 0's on a failed peer, the failed rank's own on
/// anything else; where rank 0 has gone or cannot be reached, rank 1's and that of the first rank of each other node.
bool is_told_by_others(const Error& error, World::Report report, const LaunchPlace& place) {
  if (place.rank == 0) return false;
  if (report == World::Report::kUnheard) return place.rank != 1 && place.local_rank != 0;
  return report == World::Report::kRepeated || error.code() == ExitCode::kDistributed;
}

ExitCode run_loop(RunConfig config, const TrainRequest& request, const Families& families, World& world) {
  const fs::path dir = config.run.dir;
  RunRecord record(dir, world.is_first());
  std::optional<FolderClaim> claim;  // of the first rank on a machine that has a disk of its own
  if (!world.is_first() && request.place.local_rank == 0) claim.emplace(dir, FolderKind::kRun, "run.dir");
  Opening opening;
  if (world.is_first()) opening = open_run(config, request, families);
  const auto told = opening_of(world.broadcast(to_text(opening)));
  if (!world.is_first()) opening = told;
  if (opening.finished) {
    if (world.is_first()) {
      std::fprintf(stderr, "%s\n", printable(finished_text(dir.string(), opening.point->step)).c_str());
    }
    world.leave();
    return ExitCode::kDone;
  }
  record.begin(request.command_line, opening.point ? opening.point->step : 0);
  TrainLoop loop(config, families, opening.point, world, record);
  try {
    const auto code = loop.run();
    record.end(code, loop.counters().step, loop.stop_reason());
    return code;
  } catch (const std::exception& error) {
    const Error known = as_error(error);
    if (known.code() == ExitCode::kStopped) record.say(known.what());
    record.end(known.code(), loop.counters().step, known.what());
    throw known;
  }
}

/// torchrun starts everything anew on any other code.
ExitCode code_for(const LaunchPlace& place, ExitCode code) {
  return code == ExitCode::kStopped && place.restarts_on_failure ? ExitCode::kDone : code;
}

/// Meets the other ranks. Where the launcher gave no secret, by a file in the run directory.
std::unique_ptr<World> meet_ranks(const RunConfig& config, const TrainRequest& request) {
  auto place = request.place;
  const double timeout = config.distributed.timeout.value;
  std::vector<std::pair<std::string, std::string>> facts;
  std::optional<SecretFile> file;
  if (place.distributed()) facts = must_agree(config, request.resume);  // reads the program's own file
  if (place.distributed() && place.secret.empty()) {
    file.emplace(config.run.dir, place.rank, timeout);
    place.secret = file->secret();
    place.secret_hint = file->hint();
  }
  return std::make_unique<World>(place, facts, WorldOptions{timeout});
}

}  // namespace

ExitCode train(const TrainRequest& request, const Families& families) {
  const auto& place = request.place;
  const bool first = place.rank == 0;
  if (!first) log::set_terminal_level(log::Level::kError);
  try {
    const auto config = read_config(request);
    const fs::path dir = config.run.dir;
    if (!first && claim_problem(dir, FolderKind::kRun, "run.dir").empty())
      log::open_file_on_warning((dir / "logs" / (rank_file_name(place.rank) + ".log")).string());
    const auto world = meet_ranks(config, request);
    try {
      return code_for(place, run_loop(config, request, families, *world));
    } catch (const std::exception& error) {
      const Error known = as_error(error);
      const auto report = world->report_failure(known);
      if (known.code() == ExitCode::kStopped) return code_for(place, known.code());
      if (is_told_by_others(known, report, place)) log::set_terminal_level(log::Level::kNone);
      throw known;
    }
  } catch (const Error& error) {
    if (error.code() == ExitCode::kStopped) {
      log::info(error.what());
      return code_for(place, error.code());
    }
    if (first) throw;
    log::error(cat("rank ", place.rank, ": ", error.what()));
    return error.code();
  }
}

}  // namespace ingot
