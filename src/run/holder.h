#pragma once
// Who a lock names, and whether that process still lives.

#include <cstdint>
#include <optional>
#include <string>

#include "base/files.h"

namespace ingot {

/// A process, such that another one with the same number is told apart.
struct LockHolder {
  std::string host;
  std::string boot;           // id of the host's start
  std::string pid_namespace;  // containers number their processes anew
  std::int64_t pid = 0;
  std::int64_t start_ticks = 0;  // start of the process since boot
  std::string job;               // batch job, "" outside of one
  std::string nonce;             // of this lock
  std::string since;             // UTC, for people

  /// "process 4711 on node-3 (job SLURM_JOB_ID=17) since 2026-01-31T12:00:00Z".
  std::string text() const;
};

/// This process, with a fresh nonce.
LockHolder this_process();

}  // namespace ingot

namespace ingot::lock_detail {

std::string to_text(const LockHolder& holder);
/// None if the text is not complete.
std::optional<LockHolder> from_text(const std::string& text);

/// Whether process numbers of the holder mean the same here.
bool is_visible(const LockHolder& holder, const LockHolder& self);
/// Whether a visible holder has ended. A process that only waits to be reaped has.
bool has_ended(const LockHolder& holder);

/// Seconds since the file was last touched, by the clock of its file system; 0 if it cannot be told.
double age_of(const fs::path& file);

}  // namespace ingot::lock_detail
