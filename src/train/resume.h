#pragma once
// Whether and from where a run goes on.

#include <optional>
#include <string>

#include "checkpoint/checkpoint.h"
#include "train/config.h"

namespace ingot {

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
  bool finished = false;  // the run's last step was saved
};

/// Throws ConfigError if `--resume never` meets a run, CheckpointError if there are checkpoints but none is valid.
/// Warns about each that was passed over.
std::optional<ResumePoint> find_resume_point(const fs::path& run_dir, const ResumeChoice& choice);

/// Gives `config` the checkpoint's choice wherever it says `auto`; then throws ConfigError naming every numeric field
/// that differs from the checkpoint's.
void adopt_checkpoint_config(RunConfig& config, const ResumePoint& point, const Families& families);

/// What makes two attempts the same to the bit.
nlohmann::json execution_layout(const RunConfig& config, std::int64_t micro_batch, int world_size);
/// Logs 'not bit-exact' with what differs between the layout of the checkpoint and this one.
void warn_if_not_exact(const nlohmann::json& saved, const nlohmann::json& now);

}  // namespace ingot
