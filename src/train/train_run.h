#pragma once
// Everything that a running training is made of, for the loop, its hooks and its probes.

#include <memory>
#include <optional>
#include <utility>

#include "data/data_module.h"
#include "dist/world.h"
#include "run/record.h"
#include "train/resume.h"
#include "train/setup.h"
#include "train/start_point.h"
#include "train/step.h"

namespace ingot {

struct TrainRun {
  TrainRun(const RunConfig& of_run, const Families& known, World& ranks, RunRecord& written,
           std::optional<ResumePoint> point = {})
      : config(of_run), families(known), world(ranks), record(written), resume(std::move(point)) {}

  RunConfig config;  // resolved once the model is made
  const Families& families;
  World& world;
  RunRecord& record;  // does nothing on ranks other than the first
  std::optional<ResumePoint> resume;
  StartPoint start;  // on rank 0 of a run that begins with a checkpoint

  std::optional<DataModule> data;
  TrainSetup setup;
  std::unique_ptr<TrainStep> step;
  Counters counters;

  fs::path dir() const { return config.run.dir; }
  /// Whether each rank has only masters and optimizer state of its own.
  bool shares_masters() const { return setup.shards != nullptr; }
  bool is_over() const { return counters.step == setup.total_steps; }
};

}  // namespace ingot
