#pragma once
// Reading of files that may not be what they should be.

#include "base/files.h"

namespace ingot {

struct ReadRule {
  std::int64_t limit = std::int64_t{4} << 30;  // bytes
  bool pipes = false;                          // as `<(command)` is one; devices are never read
};

/// As read_file (base/files.h). Throws Error(code) also for a longer file than the rule says, and for what is no file:
/// a pipe would make the caller wait, a device may never end.
std::string read_file(const fs::path& path, ExitCode code, const ReadRule& rule);

/// Opens a regular file for reading and returns its descriptor, which is the caller's. Throws as `read_file` does.
int open_regular(const fs::path& path, ExitCode code);

}  // namespace ingot
