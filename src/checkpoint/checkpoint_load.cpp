#include <algorithm>
#include <memory>

#include "base/log.h"
#include "base/text.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/errors.h"
#include "checkpoint/manifest.h"
#include "checkpoint/parts.h"

namespace ingot {

using namespace checkpoint_detail;

namespace {

[[noreturn]] void refuse(const fs::path& dir, const std::string& reason) {
  throw CheckpointError(cat("cannot use checkpoint '", dir.string(), "': ", reason));
}

/// Calls `f`, naming the checkpoint in what goes wrong.
template <class F>
auto reading(const fs::path& dir, F&& f) {
  try {
    return with_checkpoint_errors(f);
  } catch (const Damage& damage) {
    refuse(dir, damage.what());
  }
}

void add_list(std::string& text, const char* title, std::vector<std::string> names) {
  constexpr std::size_t kMost = 20;
  if (names.empty()) return;
  const std::size_t total = names.size();
  if (total > kMost) {
    names.resize(kMost);
    names.push_back(cat("and ", total - kMost, " more"));
  }
  text += cat(text.empty() ? "" : "; ", title, " (", total, "): ", join(names, ", "));
}

}  // namespace

std::vector<CheckpointInfo> list_checkpoints(const fs::path& run_dir) {
  return with_checkpoint_errors([&] {
    std::vector<CheckpointInfo> found;
    const fs::path folder = checkpoints_folder(run_dir);
    if (!fs::is_directory(folder)) return found;
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::int64_t step = step_of(entry.path().filename().string());
      if (step >= 0 && entry.is_directory()) found.push_back({entry.path(), step});
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.step < b.step; });
    return found;
  });
}

std::string find_damage(const fs::path& dir, Verify depth) {
  try {
    check_files(dir, read_manifest(dir), depth);
    return "";
  } catch (const Damage& damage) {
    return damage.what();
  } catch (const fs::filesystem_error& e) {
    return cat("cannot be read: ", e.code().message());
  }
}

NewestCheckpoint find_newest_valid(const fs::path& run_dir) {
  NewestCheckpoint newest;
  std::vector<CheckpointInfo> all = list_checkpoints(run_dir);
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    const std::string damage = find_damage(it->path);
    if (damage.empty()) {
      newest.found = *it;
      break;
    }
    newest.passed_over.push_back({it->path, damage});
  }
  return newest;
}

fs::path resolve_checkpoint(const fs::path& path) {
  if (!fs::exists(path)) throw CheckpointError(cat("there is no run or checkpoint at '", path.string(), "'"));
  if (!fs::is_directory(path)) {
    throw CheckpointError(cat("'", path.string(), "' is a file, expected the folder of a run or a checkpoint"));
  }
  // A trailing slash makes the last part empty.
  const fs::path dir = path.filename().empty() ? path.parent_path() : path;
  if (fs::exists(dir / kManifestFile) || step_of(dir.filename().string()) >= 0) {
    const std::string damage = find_damage(dir);
    if (!damage.empty()) refuse(dir, damage);
    return dir;
  }
  const NewestCheckpoint newest = find_newest_valid(dir);
  for (const PassedOver& passed : newest.passed_over) {
    log::warning(cat("passing over checkpoint '", passed.path.string(), "': ", passed.reason));
  }
  if (newest.found) return newest.found->path;
  if (newest.passed_over.empty()) {
    throw CheckpointError(
        cat("run '", dir.string(), "' has no checkpoint yet (looked in '", checkpoints_folder(dir).string(), "')"));
  }
  throw CheckpointError(cat("no checkpoint of run '", dir.string(), "' can be used: all ", newest.passed_over.size(),
                            " are broken, the newest because ", newest.passed_over.front().reason));
}

void load_checkpoint(const fs::path& dir, LoadWhat what, const StateTensors& model, const StateTensors& optimizer,
                     bool already_verified) {
  reading(dir, [&] {
    const Manifest manifest = read_manifest(dir);
    check_files(dir, manifest, already_verified ? Verify::kSizes : Verify::kChecksums);
    const TensorGroup weights(dir, manifest.files_with(kModelPrefix));
    std::vector<std::string> missing, extra, different;
    weights.compare(model, missing, extra, different);
    std::unique_ptr<TensorGroup> moments;
    if (what == LoadWhat::kAll) {
      moments = std::make_unique<TensorGroup>(dir, manifest.files_with(kOptimizerPrefix));
      moments->compare(optimizer, missing, extra, different);
    }
    std::string problems;
    add_list(problems, "missing there", missing);
    add_list(problems, "unknown here", extra);
    add_list(problems, "of another shape or type", different);
    if (!problems.empty()) throw Damage{"it is of another model or optimizer: " + problems};
    weights.copy_to(model);
    if (moments) moments->copy_to(optimizer);
  });
}

TensorShapes stored_shapes(const fs::path& dir, LoadWhat what) {
  return reading(dir, [&] {
    const Manifest manifest = read_manifest(dir);
    auto shapes = TensorGroup(dir, manifest.files_with(kModelPrefix)).shapes();
    if (what == LoadWhat::kAll) shapes.merge(TensorGroup(dir, manifest.files_with(kOptimizerPrefix)).shapes());
    return shapes;
  });
}

nlohmann::json read_state(const fs::path& dir) {
  return reading(dir, [&] {
    const auto text = read_checked(dir, read_manifest(dir), kStateFile);
    return as_damage([&] {
      const auto state = JsonValue::parse(text, {kStateFile, ExitCode::kCheckpoint});
      state.at("step").whole(0);
      return state.raw();
    });
  });
}

std::string read_checkpoint_config(const fs::path& dir) {
  return reading(dir, [&] { return read_checked(dir, read_manifest(dir), kConfigFile); });
}

}  // namespace ingot
