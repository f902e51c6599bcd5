#pragma once
// Whether and from where a run goes on.

#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "data/data_module.h"
#include "recipe/run_config.h"

namespace ingot {

struct TrainSetup;

/// `--resume`: from the newest valid checkpoint if there is one; never; from the run or checkpoint directory given.
struct ResumeChoice {
  enum class Kind { kAuto, kNever, kFrom };
  Kind kind = Kind::kAuto;
  fs::path from;
};

struct ResumePoint {
  fs::path checkpoint;
  std::int64_t step = 0;
  nlohmann::json state;
  bool finished = false;                   // the run's last step was saved
  std::optional<Duration> other_duration;  // train.duration of the checkpoint, if the config now has another one
  std::optional<OptimConfig> other_optim;  // `optim` of the checkpoint, if its learning-rate schedules are other ones
  /// Where the config names other text, tokens or held-out sets than the checkpoint's, a line each. They may still hold
  /// the same tokens, so that a run that goes on compares these.
  std::vector<std::string> other_files;
};

/// Throws ConfigError if `--resume never` meets a run, CheckpointError if there are checkpoints but none is valid.
/// Warns about each that was passed over.
std::optional<ResumePoint> find_resume_point(const fs::path& run_dir, const ResumeChoice& choice);

/// The resolved config of a checkpoint.
RunConfig checkpoint_config(const fs::path& checkpoint, const Families& families);

/// Gives `config` the checkpoint's choice wherever it says `auto`; then throws ConfigError naming every numeric field
/// that differs from the checkpoint's. Another `train.duration` and other learning-rate schedules are noted in `point`
/// and left to check_new_course, other files in `point.other_files`.
void adopt_checkpoint_config(RunConfig& config, ResumePoint& point, const Families& families);

/// A run may become longer or shorter, or get another schedule, if no update that it has taken would have had another
/// learning rate: it is then the run that it would have been from the start. Throws ConfigError that says how to go on
/// otherwise.
void check_new_course(const ResumePoint& point, const TrainSetup& setup);

/// Opens the data of a run, which for one that goes on must be what its checkpoint was trained on. Throws ConfigError
/// if the config names other data, DataError if other data lies where it was.
DataModule open_training_data(const RunConfig& config, const std::optional<ResumePoint>& point,
                              const Families& families, PrepareOptions prepare);

/// Throws as open_training_data, and ConfigError wherever the config names other files: a finished run does nothing
/// with them. What was prepared is looked at; if that is gone, nothing is known against the data.
void check_data_of_finished(const RunConfig& config, const ResumePoint& point, const Families& families);

/// What makes two attempts the same to the bit.
nlohmann::json execution_layout(const RunConfig& config, std::int64_t micro_batch, int world_size);
/// Logs 'not bit-exact' with what differs between the layout of the checkpoint and this one.
void warn_if_not_exact(const nlohmann::json& saved, const nlohmann::json& now);

}  // namespace ingot
