#include "train/resume.h"

#include "base/log.h"
#include "base/text.h"
#include "base/version.h"
#include "config/document.h"
#include "config/dump.h"
#include "config/reader.h"
#include "device/blas.h"
#include "device/gpu.h"
#include "device/machine.h"
#include "registry/lookup.h"
#include "train/counters.h"

namespace ingot {

nlohmann::json to_json(const Counters& c) {
  return {{"step", c.step},     {"samples_consumed", c.samples_consumed}, {"updates", c.updates},
          {"tokens", c.tokens}, {"skipped_in_a_row", c.skipped_in_a_row}, {"seconds", c.seconds}};
}

Counters counters_from_json(const nlohmann::json& state) {
  try {
    Counters c;
    c.step = state.at("step").get<std::int64_t>();
    c.samples_consumed = state.at("samples_consumed").get<std::int64_t>();
    c.updates = state.at("updates").get<std::int64_t>();
    c.tokens = state.at("tokens").get<std::int64_t>();
    c.skipped_in_a_row = state.at("skipped_in_a_row").get<std::int64_t>();
    c.seconds = state.at("seconds").get<double>();
    return c;
  } catch (const nlohmann::json::exception& error) {
    throw CheckpointError(cat("state.json: ", error.what()));
  }
}

namespace {

ResumePoint open_point(const fs::path& checkpoint) {
  ResumePoint point;
  point.checkpoint = checkpoint;
  point.state = read_state(checkpoint);
  point.step = point.state.at("step").get<std::int64_t>();
  point.finished = point.state.value("finished", false);
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

void adopt_checkpoint_config(RunConfig& config, const ResumePoint& point, const Families& families) {
  const auto file = point.checkpoint / "config.yaml";
  const auto document = Document::parse(read_checkpoint_config(point.checkpoint), file.string(), {}, point.checkpoint);
  Problems problems(document);
  RunConfig saved;
  read_config(document, FamiliesLookup(families), saved, problems);
  problems.throw_if_any();
  auto& train = config.train;
  if (train.precision == Precision::kAuto) train.precision = saved.train.precision;
  if (train.device == DeviceKind::kAuto) train.device = saved.train.device;
  if (train.micro_batch.is_auto()) train.micro_batch = saved.train.micro_batch;
  if (train.threads.is_auto()) train.threads = saved.train.threads;
  if (train.blas == Blas::kAuto && (saved.train.blas != Blas::kOpenBlas || has_openblas()))
    train.blas = saved.train.blas;
  std::vector<std::string> changed;
  for (const auto& difference : diff(flatten(saved), flatten(config))) {
    if (difference.field_class != FieldClass::kNumeric) continue;
    changed.push_back(cat("  ", difference.path, ": was ", difference.before.value_or("absent"), ", now ",
                          difference.after.value_or("absent")));
  }
  if (changed.empty()) return;
  throw ConfigError(cat("the config differs from that of ", point.checkpoint.string(),
                        " in fields that change the result:\n", join(changed, "\n"),
                        "\nundo the change, or choose another run.name (train.start_from begins a new run from "
                        "a checkpoint)"));
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
