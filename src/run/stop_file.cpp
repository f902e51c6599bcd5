#include "run/stop_file.h"

namespace ingot {

fs::path stop_file(const fs::path& run_dir) { return run_dir / "STOP"; }

void remove_earlier_stop_file(const fs::path& run_dir, const fs::path& start) {
  // Both by the clock of one file system.
  std::error_code missing;
  const auto asked = fs::last_write_time(stop_file(run_dir), missing);
  if (missing) return;
  const auto started = fs::last_write_time(start, missing);
  if (!missing && asked < started) fs::remove(stop_file(run_dir), missing);
}

}  // namespace ingot
