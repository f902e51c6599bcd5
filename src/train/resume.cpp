#include "train/resume.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "base/version.h"
#include "config/document.h"
#include "config/dump.h"
#include "config/reader.h"
#include "device/blas.h"
#include "device/gpu.h"
#include "device/machine.h"
#include "optim/course.h"
#include "registry/lookup.h"
#include "run/counters.h"
#include "train/setup.h"

namespace ingot {

namespace {

ResumePoint open_point(const fs::path& checkpoint) {
  ResumePoint point;
  point.checkpoint = checkpoint;
  point.state = read_state(checkpoint);
  const auto state = state_value(point.state);
  const auto finished = state.find("finished");
  point.step = state.at("step").whole(0);
  point.finished = finished && finished->flag();
  return point;
}

std::optional<ResumePoint> newest_point(const fs::path& run_dir) {
  const auto newest = find_newest_valid(run_dir);
  for (const auto& passed : newest.passed_over) {
    log::warning(cat("passing over ", passed.path.string(), ": ", passed.reason));
  }
  if (newest.found) return open_point(newest.found->path);
  if (newest.passed_over.empty()) return std::nullopt;
  throw CheckpointError(cat(run_dir.string(), ": none of the ", newest.passed_over.size(),
                            " checkpoints is valid; move them away to start afresh, newest: ",
                            newest.passed_over.front().path.string(), ": ", newest.passed_over.front().reason));
}

/// What the start of the run put in place of words about the checkpoint that it began with.
void adopt_start(StartFrom& given, const StartFrom& saved) {
  const auto adopt = [](StartPosition& position, const StartPosition& start) {
    if (!position.at && start.at.value_or(0) > 0) position = start;
  };
  adopt(given.schedule, saved.schedule);
  if (saved.data.is_auto()) return;
  if (given.data.is_auto()) given.data = saved.data;
  adopt(*given.data.chosen, saved.data.value());
}

std::string how_to_start_from(const fs::path& checkpoint) {
  return cat(
      "with another run.name, 'train.start_from={path: ", checkpoint.string(),
      ", load: all}' takes over weights, optimizer state and the place in the data, and runs its own schedule from "
      "the start (schedule: continue goes on in that of the checkpoint)");
}

}  // namespace

std::optional<ResumePoint> find_resume_point(const fs::path& run_dir, const ResumeChoice& choice) {
  switch (choice.kind) {
    case ResumeChoice::Kind::kFrom:
      return open_point(resolve_checkpoint(choice.from));
    case ResumeChoice::Kind::kAuto:
      return newest_point(run_dir);
    case ResumeChoice::Kind::kNever:
      break;
  }
  if (fs::exists(run_dir / "metrics.jsonl") || !list_checkpoints(run_dir).empty()) {
    throw ConfigError(cat(run_dir.string(),
                          " holds a run already and --resume never was given; choose another "
                          "run.name or run.dir, or leave --resume away to go on"));
  }
  return std::nullopt;
}

namespace {

/// Fields that say where data lies; what they name may be the same under another name.
bool names_data(const Difference& difference) {
  return difference.field_class == FieldClass::kFree && difference.path.starts_with("data.") &&
         difference.path != "data.cache";
}

/// Fields that only say how the learning rate moves, of the whole or of a group.
bool names_schedule(const std::string& path) {
  const auto of_group = path.starts_with("optim.groups.") ? path.find(".schedule", 13) : std::string::npos;
  const auto begin = of_group != std::string::npos ? of_group + 1 : std::string("optim.").size();
  const auto rest = path.starts_with("optim.") ? path.substr(begin) : "";
  return rest == "schedule" || rest.starts_with("schedule.");
}

std::string change_text(const Difference& difference) {
  return cat("  ", difference.path, ": was ", difference.before.value_or("absent"), ", now ",
             difference.after.value_or("absent"));
}

}  // namespace

RunConfig checkpoint_config(const fs::path& checkpoint, const Families& families) {
  const auto file = checkpoint / "config.yaml";
  const auto document = Document::parse(read_checkpoint_config(checkpoint), file.string(), {}, checkpoint);
  Problems problems(document);
  RunConfig saved;
  read_config(document, FamiliesLookup(families), saved, problems);
  problems.throw_if_any();
  return saved;
}

void adopt_checkpoint_config(RunConfig& config, ResumePoint& point, const Families& families) {
  const auto saved = checkpoint_config(point.checkpoint, families);
  auto& train = config.train;
  if (train.precision == Precision::kAuto) train.precision = saved.train.precision;
  if (train.device == DeviceKind::kAuto) train.device = saved.train.device;
  if (train.micro_batch.is_auto()) train.micro_batch = saved.train.micro_batch;
  if (train.threads.is_auto()) train.threads = saved.train.threads;
  if (train.blas == Blas::kAuto && (saved.train.blas != Blas::kOpenBlas || has_openblas()))
    train.blas = saved.train.blas;
  if (train.start_from && saved.train.start_from) adopt_start(*train.start_from, *saved.train.start_from);
  if (!(train.duration == saved.train.duration)) point.other_duration = saved.train.duration;
  std::vector<std::string> changed;
  for (const auto& difference : diff(flatten(saved), flatten(config))) {
    if (names_data(difference)) point.other_files.push_back(change_text(difference));
    if (difference.field_class != FieldClass::kNumeric || difference.path == "train.duration") continue;
    if (names_schedule(difference.path)) {
      point.other_optim = saved.optim;
    } else {
      changed.push_back(change_text(difference));
    }
  }
  if (changed.empty()) return;
  throw ConfigError(cat("the config differs from that of ", point.checkpoint.string(),
                        " in fields that change the result:\n", join(changed, "\n"),
                        "\nundo the change, or begin a new run: ", how_to_start_from(point.checkpoint)));
}

namespace {

/// Constraints that would have come into force at another update than they did, or did not.
void check_constraint_starts(const ResumePoint& point, const TrainSetup& setup, const std::string& change) {
  const auto counters = counters_from_json(point.state);
  auto after = setup.durations, before = after;
  after.total_steps = setup.schedule.total_updates();
  before.total_steps = schedule_context(setup, *point.other_duration).total_updates();
  for (const auto& [path, start] : constraint_starts(setup.config.weights)) {
    const auto was = start.steps(before), is = start.steps(after);
    if (was == is || std::min(was, is) > counters.updates + counters.schedule_offset) continue;
    throw ConfigError(cat(change, ": ", path, " would have come into force at update ", is, " instead of ", was,
                          ". Resume from a checkpoint before it with --resume, or begin a new run: ",
                          how_to_start_from(point.checkpoint)));
  }
}

}  // namespace

void check_new_course(const ResumePoint& point, const TrainSetup& setup) {
  if (!point.other_duration && !point.other_optim) return;
  const auto& config = setup.config;
  const auto was = point.other_duration.value_or(config.train.duration);
  auto change = cat("train.duration: was ", Codec<Duration>::format(was).text, ", now ",
                    Codec<Duration>::format(config.train.duration).text);
  if (!point.other_duration) change = "optim: other schedules of the learning rate";
  if (point.step > setup.total_steps) {
    throw ConfigError(cat(change, ", which is ", format_grouped(setup.total_steps), " steps, but the run has taken ",
                          format_grouped(point.step)));
  }
  const auto before = schedule_context(setup, was);
  const auto counters = counters_from_json(point.state);
  const auto& old_optim = point.other_optim ? *point.other_optim : config.optim;
  const auto changed = first_changed_rate({old_optim, before}, {config.optim, setup.schedule}, first_position(config),
                                          counters.updates + counters.schedule_offset);
  if (changed) {
    throw ConfigError(cat(change, ": ", changed->path,
                          " would have given other learning rates to the updates that the run "
                          "has taken, such as ",
                          format_double(changed->after), " instead of ", format_double(changed->before),
                          " of the peak at update ", changed->position + 1,
                          ". Resume from a checkpoint before it with --resume, or begin a new run: ",
                          how_to_start_from(point.checkpoint)));
  }
  if (point.other_duration) check_constraint_starts(point, setup, change);
  log::info(cat(change, ": the ", format_grouped(point.step), " steps so far are those of such a run"));
}

DataModule open_training_data(const RunConfig& config, const std::optional<ResumePoint>& point,
                              const Families& families, PrepareOptions prepare) {
  prepare.run_dir = config.run.dir;
  prepare.seed = static_cast<std::uint64_t>(config.run.seed);
  if (point) {
    prepare.expected = ExpectedData{point->state.value("data_identity", ""), point->state.value("tokenizer", ""),
                                    point->checkpoint.string()};
  }
  try {
    return prepare_data(config.data, families.get<TokenizerEntry>(), prepare);
  } catch (const OtherDataError& error) {
    if (point->other_files.empty()) throw;
    throw ConfigError(cat(error.what(), ":\n", join(point->other_files, "\n")));
  }
}

void check_data_of_finished(const RunConfig& config, const ResumePoint& point, const Families& families) {
  if (!point.other_files.empty()) {
    throw ConfigError(cat("the run in ", config.run.dir, " is finished, with other data than the config names:\n",
                          join(point.other_files, "\n"), "\nundo the change, or choose another run.name"));
  }
  PrepareOptions prepare;
  prepare.may_build = false;
  try {
    open_training_data(config, point, families, prepare);
  } catch (const NotPreparedError&) {
    log::info(cat("the prepared data of ", config.run.dir, " is gone: it was not compared"));
  } catch (const Error&) {
    if (data_is_there(config.data)) throw;
    log::info("the data is gone: it was not compared");
  }
}

nlohmann::json execution_layout(const RunConfig& config, std::int64_t micro_batch, int world_size) {
  const bool on_gpu = config.train.device == DeviceKind::kCuda;
  return {{"device", on_gpu ? "cuda" : "cpu"},
          {"instruction_set", instruction_set()},
          {"cpu", cpu_name()},
          {"gpu", on_gpu ? gpu_info().name : ""},
          {"threads", config.train.threads.value()},
          {"blas", blas_name()},
          {"world_size", world_size},
          {"micro_batch", micro_batch},
          {"libtorch", std::string(build_version().torch)},
          {"build", cat(build_version().commit, build_version().dirty, " ", build_version().compiler)}};
}

void warn_if_not_exact(const nlohmann::json& saved, const nlohmann::json& now) {
  std::vector<std::string> changes;
  for (const auto& [key, value] : now.items()) {
    const auto before = saved.contains(key) ? saved.at(key) : nlohmann::json();
    if (before != value) changes.push_back(cat(key, " was ", before.dump(), ", is ", value.dump()));
  }
  if (!changes.empty()) log::warning(cat("not bit-exact with the run so far: ", join(changes, "; ")));
}

}  // namespace ingot
