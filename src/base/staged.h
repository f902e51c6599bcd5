#pragma once
// Files and folders on their way to their final names: whole or absent, never half, whatever is killed.
//
// They are made beside the final name, hidden, under a name that nobody can guess: in a folder that others write to, no
// link that lies in wait under it can lead to another file.

#include <functional>

#include "base/files.h"

namespace ingot {

class Staged {
 public:
  /// For `target`, where a file may be (it is replaced) or not; nothing is made yet. Throws Error(code) if something
  /// else is there: a folder, a device, a pipe.
  Staged(fs::path target, ExitCode code);
  /// Removes what was not committed.
  ~Staged();
  Staged(const Staged&) = delete;
  Staged& operator=(const Staged&) = delete;

  /// Where to write. FileWriter makes a file of its own there.
  const fs::path& path() const { return path_; }
  /// Renames to the target. Durable if the contents were synced before and `Durable::kYes`.
  enum class Durable { kYes, kNo };
  void commit(Durable durable = Durable::kYes);

 private:
  fs::path target_, path_;
  ExitCode code_;
  bool committed_ = false;
};

/// A folder that appears under its final name with all that it holds. One that a killed process left goes when the next
/// one is made for the same target.
class StagedFolder {
 public:
  /// Makes the folder, and those above `target`. Throws Error(code).
  StagedFolder(fs::path target, ExitCode code);
  ~StagedFolder();
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;

  const fs::path& path() const { return path_; }
  /// `target` must not exist, or be an empty folder. Throws Error(code).
  void commit();

 private:
  void remove_abandoned() const;
  fs::path target_, path_;
  ExitCode code_;
  int lock_ = -1;  // tells others that a process is at work
};

/// What a message calls a file: by its final name while it is staged.
fs::path shown_path(const fs::path& path);

/// Removes from `folder` what killed writers of files left there, for final names that `is_ours` knows. Only while
/// nobody else writes these files.
void remove_abandoned_files(const fs::path& folder, const std::function<bool(const std::string& name)>& is_ours);

}  // namespace ingot
