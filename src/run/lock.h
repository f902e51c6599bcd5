#pragma once
// One process at a time trains into a run directory. RUN/run.lock names the holder and is touched every few seconds. It
// works on shared file systems, where flock cannot be trusted: the file is created exclusively, and ages are
// differences of the file server's own time stamps.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/files.h"
#include "run/holder.h"

namespace ingot {

struct RunLockOptions {
  double heartbeat_seconds = 10;
  /// A holder whose process cannot be seen from here is given up after this long without a sign of life.
  double silence_seconds = 60;
  double poll_seconds = 1;
  LockHolder self = this_process();
};

class RunLock {
 public:
  /// Takes the lock. Free at once: no lock, its process is dead on this host, or its job is ours. A holder elsewhere is
  /// watched until it shows a sign of life or has been silent for too long. Throws ConfigError saying who holds it.
  explicit RunLock(const fs::path& run_dir, RunLockOptions options = {});
  /// Releases.
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

  /// The file, made by this start.
  const fs::path& path() const { return path_; }
  /// Whether another process took the lock away (this one was suspended or cut off for too long).
  bool lost() const { return lost_; }
  /// Looks, too: false once the lock is known to be another process's.
  bool is_held() const { return !lost_ && look() != Look::kOther; }
  /// Throws ConfigError if the lock was lost. Call before anything in the run directory is replaced.
  void check();

 private:
  enum class Look { kOurs, kMissing, kOther, kUnknown };
  void acquire();
  bool create();
  void decide(const std::optional<LockHolder>& holder);
  void watch(const std::optional<LockHolder>& holder);
  void take_away(const std::optional<LockHolder>& holder);
  Look look() const;
  void beat();
  void beat_until_closed();
  [[noreturn]] void refuse(const std::string& holder) const;

  fs::path run_dir_;
  fs::path path_;
  RunLockOptions options_;
  int fd_ = -1;
  std::atomic<bool> lost_{false};
  std::mutex mutex_;  // guards fd_ and closing_
  std::condition_variable wake_;
  bool closing_ = false;
  std::thread heart_;
};

/// Who holds the lock, if it is held and its holder is not known to be dead or silent.
std::optional<LockHolder> current_holder(const fs::path& run_dir, double silence_seconds = 60);

}  // namespace ingot
