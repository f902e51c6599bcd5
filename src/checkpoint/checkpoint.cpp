#include "checkpoint/checkpoint.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "base/host.h"
#include "base/log.h"
#include "base/staged.h"
#include "base/text.h"
#include "checkpoint/errors.h"
#include "checkpoint/manifest.h"
#include "checkpoint/parts.h"
#include "checkpoint/saving_ranks.h"

namespace ingot {

using namespace checkpoint_detail;

namespace {

/// "model-00001.safetensors": what rank 0 owns.
std::string file_name(const char* prefix, int rank) {
  char number[16];
  std::snprintf(number, sizeof number, "%05d", rank + 1);
  return cat(prefix, number, ".safetensors");
}

std::string state_text(const CheckpointState& state) {
  nlohmann::json document = state.state;
  if (document.contains("step") && document["step"] != state.step) {
    throw std::logic_error("the state names another step than the checkpoint");
  }
  document["step"] = state.step;
  return document.dump(2) + "\n";
}

FileDigest write_text(const fs::path& path, const std::string& text) {
  FileWriter file(path, ExitCode::kCheckpoint);
  file.write(text);
  file.finish();
  return digest_bytes(text);
}

/// The files of what this rank owns.
SavingRanks::Files write_owned(const fs::path& dir, const CheckpointState& state, int rank) {
  SavingRanks::Files files;
  const auto write = [&](const char* prefix, const StateTensors& tensors) {
    const auto name = file_name(prefix, rank);
    const auto contents = to_file(tensors);
    files[name] = write_safetensors(dir / name, contents.tensors, contents.metadata);
  };
  write(kModelPrefix, state.model);
  write(kOptimizerPrefix, state.optimizer);
  return files;
}

void write_files(const fs::path& dir, const CheckpointState& state, SavingRanks* ranks) {
  Manifest manifest;
  manifest.step = state.step;
  manifest.files = write_owned(dir, state, 0);
  if (ranks != nullptr) manifest.files.merge(ranks->gather());
  // As this host sees them.
  for (const auto& file : manifest.files) check_file(dir, manifest, file.first, Verify::kSizes);
  manifest.files[kConfigFile] = write_text(dir / kConfigFile, state.config_yaml);
  manifest.files[kStateFile] = write_text(dir / kStateFile, state_text(state));
  write_text(dir / kManifestFile, manifest_text(manifest, static_cast<std::int64_t>(state.model.size()),
                                                static_cast<std::int64_t>(state.optimizer.size())));
  sync_path(dir, ExitCode::kCheckpoint);
}

/// A name in the checkpoints' folder that nobody else uses or can guess.
fs::path temporary_path(const fs::path& folder, const std::string& purpose) {
  return folder / cat(kTemporaryMark, purpose, "-", random_hex());
}

/// Puts the complete folder `from` at `to`. Where the file system can, an old folder there is swapped, so that no
/// moment is without one.
void commit(const fs::path& from, const fs::path& to) {
  if (!fs::exists(to)) return rename_durably(from, to, ExitCode::kCheckpoint);
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) {
    sync_path(to.parent_path(), ExitCode::kCheckpoint);
    fs::remove_all(from);
    return;
  }
  const fs::path old = temporary_path(to.parent_path(), "replaced");
  rename_durably(to, old, ExitCode::kCheckpoint);
  rename_durably(from, to, ExitCode::kCheckpoint);
  fs::remove_all(old);
}

void make_folder(const fs::path& folder) {
  if (!fs::create_directories(folder)) return;
  sync_path(folder.parent_path(), ExitCode::kCheckpoint);
}

}  // namespace

fs::path checkpoints_folder(const fs::path& run_dir) { return run_dir / "checkpoints"; }

fs::path checkpoint_path(const fs::path& run_dir, std::int64_t step) {
  return checkpoints_folder(run_dir) / step_name(step);
}

std::int64_t checkpoint_size(const CheckpointState& state) {
  constexpr std::int64_t kManifest = 4096;
  constexpr std::int64_t kBlocks = 6 * 4096;  // each file and the folder take whole blocks
  return whole_size(state.model) + whole_size(state.optimizer) +
         static_cast<std::int64_t>(state.config_yaml.size() + state_text(state).size()) + kManifest + kBlocks;
}

void check_space(const fs::path& folder, const CheckpointState& state) {
  const std::int64_t needed = checkpoint_size(state);
  const std::int64_t available = free_space(folder);
  if (needed <= available) return;
  throw CheckpointError(cat("not enough space for a checkpoint in '", folder.string(),
                            "': ", format_bytes(static_cast<double>(needed)), " needed, ",
                            format_bytes(static_cast<double>(available)), " free"));
}

void check_file_size(const fs::path& folder, const CheckpointState& state) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  const std::int64_t largest = std::max(whole_size(state.model), whole_size(state.optimizer));
  if (static_cast<rlim_t>(largest) <= limit.rlim_cur) return;
  throw CheckpointError(cat("a checkpoint in '", folder.string(), "' has a file of ",
                            format_bytes(static_cast<double>(largest)), ", and `ulimit -f` allows ",
                            format_bytes(static_cast<double>(limit.rlim_cur))));
}

namespace {

/// What ranks other than the first do.
fs::path save_part(const fs::path& path, const CheckpointState& state, SavingRanks& ranks) {
  const fs::path folder = ranks.folder();
  if (folder.empty()) return path;
  SavingRanks::Files files;
  std::string problem;
  try {
    files = with_checkpoint_errors([&] { return write_owned(folder, state, ranks.rank()); });
  } catch (const CheckpointError& e) {
    problem = e.what();
  }
  ranks.report(files, problem);
  ranks.wait_for_end();
  return path;
}

}  // namespace

fs::path save_checkpoint(const fs::path& run_dir, const CheckpointState& state, const SaveOptions& options,
                         SavingRanks* ranks) {
  const fs::path folder = checkpoints_folder(run_dir);
  const fs::path path = checkpoint_path(run_dir, state.step);
  const fs::path temporary = temporary_path(folder, step_name(state.step));
  if (ranks != nullptr && !ranks->leads()) return save_part(path, state, *ranks);
  const auto clean_up = [&](const std::string& problem) {
    if (ranks != nullptr) ranks->conclude(problem);  // nobody writes any more
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
  };
  try {
    return with_checkpoint_errors([&] {
      make_folder(folder);
      if (fs::exists(path)) {
        const std::string damage = find_damage(path);
        if (damage.empty() && options.existing == ExistingCheckpoint::kKeepIfValid) {
          if (ranks != nullptr) ranks->announce("");
          return path;
        }
        if (!damage.empty()) log::warning(cat("replacing the broken checkpoint '", path.string(), "': ", damage));
      }
      check_space(folder, state);
      fs::create_directory(temporary);
      if (ranks != nullptr) ranks->announce(temporary.string());
      write_files(temporary, state, ranks);
      commit(temporary, path);
      if (ranks != nullptr) ranks->conclude("");
      return path;
    });
  } catch (const CheckpointError& e) {
    const auto problem = cat("cannot save step ", state.step, " to '", path.string(), "': ", e.what(),
                             " (nothing was left behind, earlier checkpoints are untouched)");
    clean_up(problem);
    throw CheckpointError(problem);
  } catch (const DistributedError&) {
    throw;  // another rank may still write: what it leaves is removed at the next start
  } catch (...) {
    clean_up("rank 0 failed");
    throw;
  }
}

void remove_stale_saves(const fs::path& run_dir) {
  with_checkpoint_errors([&] {
    const fs::path folder = checkpoints_folder(run_dir);
    if (!fs::is_directory(folder)) return;
    std::vector<fs::path> stale;
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().filename().string().starts_with(kTemporaryMark)) stale.push_back(entry.path());
    }
    for (const fs::path& path : stale) {
      log::info(cat("removing '", path.string(), "', left behind by a save that was interrupted"));
      fs::remove_all(path);
    }
    remove_abandoned_files(folder, [](const std::string& name) { return name == kEvaluationsFile; });
  });
}

std::vector<CheckpointInfo> set_aside_newer(const fs::path& run_dir, std::int64_t step) {
  return with_checkpoint_errors([&] {
    std::vector<CheckpointInfo> moved;
    fs::path folder;
    for (const CheckpointInfo& checkpoint : list_checkpoints(run_dir)) {
      if (checkpoint.step <= step) continue;
      for (int n = 1; folder.empty(); ++n) {
        std::string number = std::to_string(n);
        if (number.size() < 4) number.insert(0, 4 - number.size(), '0');
        const fs::path candidate = checkpoints_folder(run_dir) / ("set-aside-" + number);
        if (fs::create_directory(candidate)) folder = candidate;
      }
      const fs::path target = folder / checkpoint.path.filename();
      rename_durably(checkpoint.path, target, ExitCode::kCheckpoint);
      log::info(
          cat("going on from step ", step, ": moved '", checkpoint.path.string(), "' to '", target.string(), "'"));
      moved.push_back({target, checkpoint.step});
    }
    return moved;
  });
}

}  // namespace ingot
