#pragma once
// manifest.json of a checkpoint: written last, it vouches for every other file.

#include <cstdint>
#include <map>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/digest.h"
#include "checkpoint/verify.h"

namespace ingot {

/// Version of the layout (checkpoint.h). A newer one is refused, an older one must stay readable.
constexpr int kCheckpointVersion = 1;

/// {"size": 1234, "xxh3": "…"}.
void to_json(nlohmann::json& out, const FileDigest& digest);
/// Of files' names to digests. Throws the value's error for a name that is not that of a file in one folder.
std::map<std::string, FileDigest> digests_from(const JsonValue& files);

}  // namespace ingot

namespace ingot::checkpoint_detail {

constexpr const char* kManifestFile = "manifest.json";
constexpr const char* kStateFile = "state.json";
constexpr const char* kConfigFile = "config.yaml";
/// Tensor files are <prefix>00001.safetensors and so on; a tensor lies in one of them.
constexpr const char* kModelPrefix = "model-";
constexpr const char* kOptimizerPrefix = "optimizer-";
/// A name with this in it is not committed, or no longer.
constexpr const char* kTemporaryMark = ".tmp-";
constexpr const char* kEvaluationsFile = "evaluations.json";  // beside the checkpoints: what the best is chosen by

/// Why a checkpoint cannot be used: one clause without the checkpoint's path. Reading names the checkpoint, and a save
/// that finds damage in what it has just written fails like any other.
class Damage : public CheckpointError {
 public:
  using CheckpointError::CheckpointError;
};

/// Calls `f` and turns the errors of what it reads into Damage.
template <class F>
auto as_damage(F&& f) {
  try {
    return f();
  } catch (const Damage&) {
    throw;
  } catch (const Error& e) {
    throw Damage{e.what()};
  }
}

struct Manifest {
  std::int64_t step = 0;
  std::map<std::string, FileDigest> files;
  /// Names of the files with the prefix.
  std::vector<std::string> files_with(const std::string& prefix) const;
};

/// The text of manifest.json, with a checksum of itself.
std::string manifest_text(const Manifest& manifest, std::int64_t model_tensors, std::int64_t optimizer_tensors);

/// Throws Damage.
Manifest read_manifest(const fs::path& dir);

/// Checks one listed file. Throws Damage.
void check_file(const fs::path& dir, const Manifest& manifest, const std::string& name, Verify depth);
void check_files(const fs::path& dir, const Manifest& manifest, Verify depth);

/// The text of a listed file, checked. Throws Damage.
std::string read_checked(const fs::path& dir, const Manifest& manifest, const std::string& name);

/// "step-00001000", and back: -1 if the name is not of this form.
std::string step_name(std::int64_t step);
std::int64_t step_of(const std::string& name);

}  // namespace ingot::checkpoint_detail
