#pragma once
// A checkpoint is a folder RUN/checkpoints/step-00001000/ with
//
//   manifest.json                format version, step, and of every other file its size and checksum
//   config.yaml                  the resolved config
//   state.json                   counters and whatever else resuming needs
//   model-00001.safetensors      masters and buffers, the weights to evaluate where they are others
//   optimizer-00001.safetensors  moments
//
// Where the ranks share masters out, rank r writes what it owns into files numbered r + 1. A part of tensor X from
// element b on is called X@b there and is flat, and the entry "shapes" of the file's metadata has the whole shape.
//
// It is written beside, as .tmp-*, and committed by one rename: a folder with the final name is complete.

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/safetensors.h"
#include "checkpoint/verify.h"
#include "params/ownership.h"

namespace ingot {

class SavingRanks;

/// What a checkpoint holds. The tensors are views; nothing is copied before it is written.
struct CheckpointState {
  std::int64_t step = 0;
  /// An object. state.json holds it together with "step".
  nlohmann::json state = nlohmann::json::object();
  StateTensors model;
  StateTensors optimizer;
  std::string config_yaml;
};

/// What to do if a folder of this step exists. A broken one is replaced either way.
enum class ExistingCheckpoint { kKeepIfValid, kReplace };

struct SaveOptions {
  ExistingCheckpoint existing = ExistingCheckpoint::kKeepIfValid;
};

/// RUN/checkpoints and RUN/checkpoints/step-00001000.
fs::path checkpoints_folder(const fs::path& run_dir);
fs::path checkpoint_path(const fs::path& run_dir, std::int64_t step);

/// Bytes that saving `state` needs on disk, with what other ranks own.
std::int64_t checkpoint_size(const CheckpointState& state);

/// Throws CheckpointError if saving `state` in `folder` needs more than is free there.
void check_space(const fs::path& folder, const CheckpointState& state);

/// Throws CheckpointError if one process may not write files as large as those of `state` (`ulimit -f`).
void check_file_size(const fs::path& folder, const CheckpointState& state);

/// Writes, fsyncs and commits; returns the final path. Throws CheckpointError, with nothing left behind, if there is
/// too little space (checked beforehand: says how much is needed and free) or the file system fails. With `ranks` all
/// of them save together, each what it owns of its state; then all succeed or none.
fs::path save_checkpoint(const fs::path& run_dir, const CheckpointState& state, const SaveOptions& options = {},
                         SavingRanks* ranks = nullptr);

/// Removes what killed saves and deletions left behind. Only while holding the run's lock.
void remove_stale_saves(const fs::path& run_dir);

struct CheckpointInfo {
  fs::path path;
  std::int64_t step = 0;
};

/// Every folder with a final name, by rising step; none is opened.
std::vector<CheckpointInfo> list_checkpoints(const fs::path& run_dir);

/// Why the checkpoint cannot be used, one clause without the path, or "" if it can. Files that the manifest does not
/// list are ignored.
std::string find_damage(const fs::path& dir, Verify depth = Verify::kChecksums);

struct PassedOver {
  fs::path path;
  std::string reason;
};

struct NewestCheckpoint {
  std::optional<CheckpointInfo> found;
  std::vector<PassedOver> passed_over;  // newest first
};

/// The newest checkpoint whose checksums hold, and which were passed over and why.
NewestCheckpoint find_newest_valid(const fs::path& run_dir);

/// `path` may be a run or a checkpoint folder (the RUN argument of commands). Logs a warning for each broken checkpoint
/// passed over. Throws CheckpointError if there is none to use.
fs::path resolve_checkpoint(const fs::path& path);

/// Moves checkpoints newer than `step` to checkpoints/set-aside-NNNN/: training goes on from `step` along another path,
/// and a later resume must not pick up the old one. Returns what was moved.
std::vector<CheckpointInfo> set_aside_newer(const fs::path& run_dir, std::int64_t step);

enum class LoadWhat { kWeights, kAll };

/// Copies into the given tensors, as far as they are owned (with kWeights `optimizer` is left alone), whoever wrote
/// which part. The checkpoint must have exactly these names, shapes and types; else CheckpointError lists all that is
/// missing, extra or different, and nothing is changed. Verifies checksums first, unless told that the caller just did.
void load_checkpoint(const fs::path& dir, LoadWhat what, const StateTensors& model, const StateTensors& optimizer,
                     bool already_verified = false);

/// Shapes of the model's tensors there, by name; with kAll those of the optimizer too.
using TensorShapes = std::map<std::string, std::vector<std::int64_t>>;
TensorShapes stored_shapes(const fs::path& dir, LoadWhat what = LoadWhat::kWeights);

/// state.json, checked against the manifest. `step` is always present.
nlohmann::json read_state(const fs::path& dir);

/// config.yaml, checked against the manifest.
std::string read_checkpoint_config(const fs::path& dir);

}  // namespace ingot
