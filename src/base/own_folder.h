#pragma once
// Folders that this program fills: run directories, caches of prepared data, folders of token shards. In them it
// writes, replaces and removes files, so they must be its own: new (absent or empty), or made by it before. What lies
// in them is never read as text to train on.

#include <optional>

#include "base/files.h"

namespace ingot {

enum class FolderKind { kRun, kCache, kShards };

/// "run directory", "cache", "folder of token shards".
const char* folder_kind_name(FolderKind kind);

/// What this program uses the folder for: by the marker `.ingot` in it, or, made before there was one, by its contents.
/// None if the folder is somebody else's, empty or absent.
std::optional<FolderKind> folder_kind(const fs::path& folder);

/// Whether the path leads to the file that is this process's stdout or stderr.
bool is_own_output(const fs::path& path);

/// Why the folder cannot become, or is not, this program's own for this use: the message of the error that FolderClaim
/// throws, "" if nothing is in the way.
std::string claim_problem(const fs::path& folder, FolderKind kind, const std::string& setting);

/// Makes a folder this program's own. One that holds nothing else goes again with the claim, if this one made it.
class FolderClaim {
 public:
  /// `setting` is where the user named the folder, such as "run.dir". Hidden files and this process's own output are in
  /// nobody's way. Throws ConfigError that names the file in the way, or why the folder cannot be made or written.
  FolderClaim(const fs::path& folder, FolderKind kind, const std::string& setting);
  ~FolderClaim();
  FolderClaim(const FolderClaim&) = delete;
  FolderClaim& operator=(const FolderClaim&) = delete;

 private:
  void mark(FolderKind kind, const std::string& setting);
  fs::path folder_;
  bool made_folder_ = false;
  bool made_marker_ = false;
};

}  // namespace ingot
