#pragma once
// `--nproc N`: the ranks of one machine as children of this process.

#include <string>
#include <vector>

#include "base/error.h"

namespace ingot {

/// Runs this program `count` times with `arguments` (the program's name first), telling each its place by torchrun's
/// variables, and all of them a secret. Passes on requests to stop, to which this process listens (StopSignals); a
/// second SIGINT ends all at once (kInterrupted). When a rank fails the others get time to end by themselves, then are
/// ended. Returns the run's exit code: that of the first rank that failed for a reason of its own; kDistributed, and
/// says so, if one was killed.
ExitCode run_ranks(int count, const std::vector<std::string>& arguments);

}  // namespace ingot
