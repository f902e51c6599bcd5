#pragma once
// RUN/STOP, by which `ingot stop` and people ask a run to stop.

#include "base/files.h"

namespace ingot {

fs::path stop_file(const fs::path& run_dir);

/// Takes away one that was made before `start`, a file of this start: it asked an earlier one. What comes later counts.
void remove_earlier_stop_file(const fs::path& run_dir, const fs::path& start);

}  // namespace ingot
