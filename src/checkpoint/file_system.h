#pragma once
// Whether a file system keeps what checkpoints rest on: that renaming replaces a file or moves a folder in one stroke.

#include <functional>

#include "base/files.h"

namespace ingot {

/// As rename(2).
using Rename = std::function<int(const char* from, const char* to)>;

/// Tries in a folder `.probe` of `folder`, and removes it. Throws CheckpointError that says what did not work.
void probe_file_system(const fs::path& folder, const Rename& rename);
void probe_file_system(const fs::path& folder);

}  // namespace ingot
