#pragma once
// Requests to stop: SIGTERM, SIGINT, SIGUSR1, the file STOP in the run directory, the time limit.

#include <string>

#include "base/files.h"

namespace ingot {

/// Installs handlers while it lives: the first signal asks for a stop after the current step, a second SIGINT ends the
/// process at once with 130. One at a time.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// "SIGTERM", or "" if none came.
  static std::string received();
};

/// The file that `ingot stop` creates and a starting run removes.
fs::path stop_file(const fs::path& run_dir);

}  // namespace ingot
