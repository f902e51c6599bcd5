#pragma once
// The files that `paths` of a config name.

#include <cstdint>
#include <string>
#include <vector>

#include "base/files.h"

namespace ingot {

/// A file as it was when it was looked at.
struct SourceFile {
  fs::path path;  // absolute
  std::int64_t bytes = 0;
  std::int64_t modified_ns = 0;  // since the epoch
  bool operator==(const SourceFile&) const = default;
};

/// Size and time of a file now. Throws DataError if it is missing or not a regular file.
SourceFile look_at(const fs::path& path);

/// Files, all files of folders, and matches of globs (`*`, `?`, `[…]` in the last part or in folders). In the order of
/// `paths`, sorted by bytes within each. Of folders, hidden files are left out, and folders that this program made (run
/// directories, caches, shards); links are followed, and a file or folder counts once, however many names lead to it.
/// Throws DataError for a path that matches nothing, a folder of this program, a file named twice, or an empty file
/// that is named itself; other empty files are left out.
std::vector<SourceFile> find_files(const std::vector<std::string>& paths);

}  // namespace ingot
