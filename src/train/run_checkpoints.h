#pragma once
// The checkpoints of a run: where it begins, what it saves, where it goes back to. Private to the train module.

#include <memory>
#include <string>

#include "checkpoint/saver.h"
#include "train/hooks/hooks.h"
#include "train/train_run.h"

namespace ingot {

class RunCheckpoints {
 public:
  /// The model of `run` is allocated. All ranks make one.
  RunCheckpoints(TrainRun& run, Hooks& hooks);

  /// Weights, optimizer, counters and hooks as the run begins with them: start values, those of `run.start`, or those
  /// of the checkpoint that it goes on from. Throws CheckpointError if there is no room to save.
  void load_start();
  /// Back to the newest checkpoint, but not to its place in the data: what led here is passed over. Throws
  /// DivergedError if there is none.
  void rewind(const std::string& reason);

  void save(bool finished);
  /// The last save is on disk.
  void wait();
  /// The held-out loss that the best checkpoint is chosen by.
  void note_evaluation(double loss);

 private:
  CheckpointState state(bool finished);
  void load(const fs::path& checkpoint, LoadWhat what);
  std::int64_t load_other(const fs::path& checkpoint, LoadWhat what);
  void go_to(const fs::path& checkpoint, const nlohmann::json& state, Hook::Restored how);
  void fit_start();
  void set_model_point();
  void resume(const ResumePoint& point);
  void start_from(const StartFrom& from);
  void share_start();

  TrainRun& run_;
  Hooks& hooks_;
  std::unique_ptr<CheckpointSaver> saver_;  // on rank 0, or on all where they share masters
  std::int64_t saved_step_ = -1;
};

}  // namespace ingot
