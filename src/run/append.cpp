#include "run/append.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/log.h"
#include "base/text.h"

namespace ingot {
namespace {

constexpr std::size_t kMostPending = std::size_t{16} << 20;

std::string reason_text(int reason) { return std::generic_category().message(reason); }

}  // namespace

AppendFile::AppendFile(const fs::path& path) : path_(path) {
  std::error_code ignored;  // if this fails, so does the open
  fs::create_directories(path_.parent_path(), ignored);
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd_ < 0) throw Error(ExitCode::kOther, cat("cannot write '", path_.string(), "': ", reason_text(errno)));
  struct stat status {};
  if (::fstat(fd_, &status) == 0) size_ = status.st_size;
}

AppendFile::~AppendFile() {
  write_pending();
  if (!pending_.empty()) log::warning(cat("'", path_.string(), "' lacks its last ", pending_.size(), " bytes"));
  ::close(fd_);
}

void AppendFile::append(std::string_view record) {
  if (pending_.size() + record.size() > kMostPending) {
    dropped_ += static_cast<std::int64_t>(record.size());
  } else {
    pending_ += record;
  }
  write_pending();
}

/// All of it or nothing: half a record would spoil the next.
void AppendFile::write_pending() {
  std::size_t done = 0;
  while (done < pending_.size()) {
    const ssize_t put = ::write(fd_, pending_.data() + done, pending_.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      const int reason = errno;
      if (done > 0 && ::ftruncate(fd_, size_) != 0) {
        // Cannot be cut back: what is there counts as written.
        size_ += static_cast<std::int64_t>(done);
        pending_.erase(0, done);
      }
      return report_failure(reason);
    }
    done += static_cast<std::size_t>(put);
  }
  size_ += static_cast<std::int64_t>(done);
  pending_.clear();
  if (!failing_) return;
  failing_ = false;
  log::info(cat("'", path_.string(), "' can be written again",
                dropped_ > 0 ? cat("; ", dropped_, " bytes of it are lost") : std::string()));
  dropped_ = 0;
}

void AppendFile::report_failure(int reason) {
  if (failing_) return;
  failing_ = true;
  log::warning(cat("cannot write '", path_.string(), "': ", reason_text(reason),
                   "; the run goes on, and what belongs there is kept in memory and written when that works again"));
}

void AppendFile::sync() {
  write_pending();
  if (::fsync(fd_) != 0 && errno != EINVAL && !failing_) report_failure(errno);
}

}  // namespace ingot
