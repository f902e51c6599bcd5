#include "data/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
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
                       const std::function<void()>& while_waiting) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (failure) throw DataError("cannot create '" + folder.string() + "': " + failure.message());
  const fs::path path = folder / name;
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) {
    throw DataError("cannot open '" + path.string() + "': " + std::generic_category().message(errno));
  }
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  // File systems without locks: nothing to wait for.
  if (errno != EWOULDBLOCK) return;
  if (if_taken == IfTaken::kFail) {
    ::close(descriptor_);
    throw DataError("another process is writing into '" + folder.string() + "'");
  }
  log::info("waiting for another process that prepares the data in " + folder.string());
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

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace ingot
