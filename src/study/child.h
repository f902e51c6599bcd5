#pragma once
// This program once more, as a child: a trial that runs out of memory or is killed does not take the study with it.

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/files.h"

namespace ingot {

/// How a child ended: with an exit code, or by a signal.
struct ChildEnd {
  int code = 0;
  std::optional<int> signal;

  bool ended_with(ExitCode wanted) const { return !signal && code == static_cast<int>(wanted); }
};

/// Runs this program with `arguments` (the program's name first), its output appended to `output`, to its end. Requests
/// to stop, to which this process listens (StopSignals), are passed on as SIGTERM; a second Ctrl-C kills it. Throws
/// Error if it cannot be started.
ChildEnd run_child(const std::vector<std::string>& arguments, const fs::path& output);

}  // namespace ingot
