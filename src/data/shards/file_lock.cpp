#include "data/shards/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>

#include "base/error.h"
#include "base/log.h"

namespace ingot {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(200);

}  // namespace

FolderLock::FolderLock(const fs::path& folder, IfTaken if_taken, const std::string& name,
                       const std::function<void()>& while_waiting)
    : path_(folder / name) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (failure) throw DataError("cannot create '" + folder.string() + "': " + failure.message());
  bool said = false;
  for (open();; open()) {
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return;  // file systems without locks: nothing to wait for
      if (if_taken == IfTaken::kFail) {
        ::close(descriptor_);
        throw DataError("another process is writing into '" + folder.string() + "'");
      }
      if (!said) log::info("waiting for another process that prepares the data in " + folder.string());
      said = true;
      while (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && (errno == EWOULDBLOCK || errno == EINTR)) {
        try {
          if (while_waiting) while_waiting();
        } catch (...) {
          ::close(descriptor_);
          throw;
        }
        std::this_thread::sleep_for(kPoll);
      }
    }
    if (is_current()) return;
    ::close(descriptor_);
  }
}

void FolderLock::open() {
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (descriptor_ >= 0) return;
  throw DataError("cannot open '" + path_.string() + "': " + std::generic_category().message(errno));
}

/// Whether the locked file still has its name: the holder before may have removed it.
bool FolderLock::is_current() const {
  struct stat locked {
  }, named{};
  return ::fstat(descriptor_, &locked) == 0 && ::stat(path_.c_str(), &named) == 0 && locked.st_dev == named.st_dev &&
         locked.st_ino == named.st_ino;
}

FolderLock::~FolderLock() {
  ::unlink(path_.c_str());
  ::close(descriptor_);
}

}  // namespace ingot
