#include "run/lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>

#include "base/log.h"
#include "base/text.h"
#include "run/holder.h"

namespace ingot {

using namespace lock_detail;

namespace {

constexpr double kStaleGuardSeconds = 10;
constexpr int kMostTries = 200;  // of a tenth of a second: longer than a stale guard lasts

fs::path lock_file(const fs::path& run_dir) { return run_dir / "run.lock"; }

/// The lock's content; none if there is no file, or it is incomplete.
std::optional<LockHolder> read_holder(const fs::path& path) {
  try {
    return from_text(read_file(path));
  } catch (const Error&) {
    return std::nullopt;
  }
}

bool same_holder(const std::optional<LockHolder>& a, const std::optional<LockHolder>& b) {
  return a.has_value() == b.has_value() && (!a || a->nonce == b->nonce);
}

std::string holder_text(const std::optional<LockHolder>& holder) {
  return holder ? holder->text() : "an unknown process (its lock cannot be read)";
}

/// Time of the last touch as the file system gives it, for comparison only.
std::pair<std::int64_t, std::int64_t> last_touch(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {0, 0};
  return {status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

}  // namespace

RunLock::RunLock(const fs::path& run_dir, RunLockOptions options)
    : run_dir_(run_dir), path_(lock_file(run_dir)), options_(std::move(options)) {
  acquire();
  heart_ = std::thread([this] { beat_until_closed(); });
}

RunLock::~RunLock() {
  {
    const std::scoped_lock lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  heart_.join();
  if (look() == Look::kOurs) ::unlink(path_.c_str());
  if (fd_ >= 0) ::close(fd_);
}

void RunLock::refuse(const std::string& holder) const {
  throw ConfigError(cat("run directory '", run_dir_.string(), "' is in use by ", holder, "; stop it with `ingot stop ",
                        run_dir_.string(), "`, or choose another run.name"));
}

/// False if there is a lock already.
bool RunLock::create() {
  fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd_ < 0 && errno == EEXIST) return false;
  const std::string text = to_text(options_.self);
  const bool ok = fd_ >= 0 && ::write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (ok && (::fsync(fd_) == 0 || errno == EINVAL)) return true;
  const int reason = errno;
  if (fd_ >= 0) {
    ::unlink(path_.c_str());
    ::close(fd_);
    fd_ = -1;
  }
  throw ConfigError(cat("cannot write '", path_.string(), "': ", std::generic_category().message(reason)));
}

void RunLock::acquire() {
  std::error_code ignored;  // if this fails, so does `create`
  fs::create_directories(run_dir_, ignored);
  for (int tries = 0; tries < kMostTries; ++tries) {
    if (create()) return;
    decide(read_holder(path_));
  }
  refuse("several processes that start at the same time");
}

/// Returns if another try may succeed; throws if the lock is held.
void RunLock::decide(const std::optional<LockHolder>& holder) {
  if (holder && is_visible(*holder, options_.self)) {
    if (!has_ended(*holder)) refuse(holder->text());
    log::info(cat("taking over '", run_dir_.string(), "' from ", holder->text(), ", which has ended"));
    return take_away(holder);
  }
  if (holder && !holder->job.empty() && holder->job == options_.self.job) {
    log::info(cat("taking over '", run_dir_.string(), "' from ", holder->text(), ", an earlier start of this job"));
    return take_away(holder);
  }
  watch(holder);
}

void RunLock::watch(const std::optional<LockHolder>& holder) {
  using Clock = std::chrono::steady_clock;
  const double age = age_of(path_);
  const auto touch = last_touch(path_);
  const auto began = Clock::now();
  const auto silent_for = [&] { return age + std::chrono::duration<double>(Clock::now() - began).count(); };
  if (age < options_.silence_seconds) {
    log::info(cat("'", run_dir_.string(), "' is locked by ", holder_text(holder), ", last sign of life ",
                  format_duration(age), " ago; waiting up to ", format_duration(options_.silence_seconds - age),
                  " to see whether it is alive"));
  }
  while (silent_for() < options_.silence_seconds) {
    std::this_thread::sleep_for(std::chrono::duration<double>(options_.poll_seconds));
    if (!fs::exists(path_)) return;
    if (!same_holder(read_holder(path_), holder)) return;
    if (last_touch(path_) != touch) refuse(holder_text(holder));
  }
  log::warning(cat("taking over '", run_dir_.string(), "' from ", holder_text(holder), ", silent for ",
                   format_duration(silent_for())));
  take_away(holder);
}

/// Removes the lock that was judged, if it still is the same. Who removes holds a second exclusive file: else one who
/// judged the old lock could remove the new one of another who was quicker.
void RunLock::take_away(const std::optional<LockHolder>& holder) {
  const fs::path guard = path_.string() + ".takeover";
  const int fd = ::open(guard.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) {
    // Held for milliseconds, unless its process was killed just then.
    if (fs::exists(guard) && age_of(guard) > kStaleGuardSeconds) ::unlink(guard.c_str());
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return;
  }
  ::close(fd);
  if (same_holder(read_holder(path_), holder)) ::unlink(path_.c_str());
  ::unlink(guard.c_str());
}

RunLock::Look RunLock::look() const {
  try {
    const auto holder = from_text(read_file(path_));
    if (!holder) return Look::kUnknown;
    return holder->nonce == options_.self.nonce ? Look::kOurs : Look::kOther;
  } catch (const Error&) {
    std::error_code error;
    return !fs::exists(path_, error) && !error ? Look::kMissing : Look::kUnknown;
  }
}

void RunLock::check() {
  if (is_held()) return;
  lost_ = true;
  throw ConfigError(cat("lost the lock of run directory '", run_dir_.string(), "' to ", holder_text(read_holder(path_)),
                        ": this process was suspended or cut off for more than ",
                        format_duration(options_.silence_seconds), ", so another one went on with the run"));
}

void RunLock::beat() {
  switch (look()) {
    case Look::kOurs:
      ::futimens(fd_, nullptr);
      return;
    case Look::kMissing: {
      // Somebody removed the file by hand; the run is still ours unless another process is quicker.
      const int old = fd_;
      try {
        if (create()) {
          log::warning(cat("'", path_.string(), "' was removed and is written again"));
          ::close(old);
          return;
        }
      } catch (const Error&) {
        // The folder is gone or cannot be written: the next save says so.
      }
      fd_ = old;
      return;
    }
    case Look::kOther:
      if (!lost_.exchange(true)) {
        log::error(cat("'", path_.string(), "' was taken over by ", holder_text(read_holder(path_))));
      }
      return;
    case Look::kUnknown:
      return;
  }
}

void RunLock::beat_until_closed() {
  std::unique_lock lock(mutex_);
  const auto interval = std::chrono::duration<double>(options_.heartbeat_seconds);
  while (!wake_.wait_for(lock, interval, [this] { return closing_; })) beat();
}

std::optional<LockHolder> current_holder(const fs::path& run_dir, double silence_seconds) {
  const fs::path path = lock_file(run_dir);
  const auto holder = read_holder(path);
  if (!holder) return std::nullopt;
  if (is_visible(*holder, this_process())) return has_ended(*holder) ? std::nullopt : holder;
  return age_of(path) > silence_seconds ? std::nullopt : holder;
}

}  // namespace ingot
