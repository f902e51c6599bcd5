#include "base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/raise.h"
#include "base/reading.h"
#include "base/staged.h"
#include "base/text.h"

namespace ingot {
namespace {

constexpr std::size_t kBufferSize = std::size_t{1} << 18;

[[noreturn]] void fail(const char* action, const fs::path& path, ExitCode code, int reason = errno) {
  raise_error(code, std::string("cannot ") + action + " '" + shown_path(path).string() +
                        "': " + std::generic_category().message(reason));
}

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

fs::path folder_of(const fs::path& path) {
  const fs::path parent = path.parent_path();
  return parent.empty() ? fs::path(".") : parent;
}

const char* kind_of(mode_t mode) {
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

/// A file and, if wanted, a pipe.
int open_readable(const fs::path& path, ExitCode code, bool pipes, struct stat& status) {
  // Without O_NONBLOCK the opening of a pipe waits until somebody writes to it.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) fail("read", path, code);
  Descriptor file(fd);
  if (::fstat(fd, &status) != 0) fail("read", path, code);
  if (S_ISDIR(status.st_mode)) fail("read", path, code, EISDIR);
  const bool is_pipe = pipes && S_ISFIFO(status.st_mode);
  if (!S_ISREG(status.st_mode) && !is_pipe) {
    raise_error(code, cat("cannot read '", path.string(), "': it is ", kind_of(status.st_mode), ", expected a file"));
  }
  if (is_pipe) ::fcntl(fd, F_SETFL, 0);
  return file.release();
}

[[noreturn]] void fail_size(const fs::path& path, ExitCode code, std::int64_t limit) {
  raise_error(code, cat("cannot read '", path.string(), "': it is larger than ",
                        format_bytes(static_cast<double>(limit)), ", the most that this kind of file may have"));
}

}  // namespace

std::string read_file(const fs::path& path, ExitCode code) { return read_file(path, code, ReadRule{}); }

std::string read_file(const fs::path& path, ExitCode code, const ReadRule& rule) {
  struct stat status;
  const Descriptor file(open_readable(path, code, rule.pipes, status));
  if (status.st_size > rule.limit) fail_size(path, code, rule.limit);
  std::string bytes(static_cast<std::size_t>(std::max<off_t>(status.st_size, 0)), '\0');
  // Pipes and /proc files state no size: read on until the end.
  std::size_t used = 0;
  for (;;) {
    if (static_cast<std::int64_t>(used) > rule.limit) fail_size(path, code, rule.limit);
    if (used == bytes.size()) bytes.resize(used + kBufferSize);
    const ssize_t got = ::read(file.get(), bytes.data() + used, bytes.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("read", path, code);
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
  }
  bytes.resize(used);
  return bytes;
}

int open_regular(const fs::path& path, ExitCode code) {
  struct stat status;
  return open_readable(path, code, false, status);
}

void sync_path(const fs::path& path, ExitCode code) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) fail("sync", path, code);
  // Some file systems cannot sync a folder and say so with EINVAL.
  if (::fsync(file.get()) != 0 && errno != EINVAL) fail("sync", path, code);
}

void write_file_atomic(const fs::path& path, std::string_view bytes, ExitCode code) {
  Staged staged(path, code);
  FileWriter file(staged.path(), code);
  file.write(bytes);
  file.finish();
  staged.commit();
}

void rename_durably(const fs::path& from, const fs::path& to, ExitCode code) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    const int reason = errno;
    fail(("rename '" + from.string() + "' to").c_str(), to, code, reason);
  }
  sync_path(folder_of(to), code);
  if (folder_of(from) != folder_of(to)) sync_path(folder_of(from), code);
}

std::int64_t free_space(const fs::path& path) {
  fs::path existing = fs::absolute(path).lexically_normal();
  struct statvfs status;
  while (::statvfs(existing.c_str(), &status) != 0) {
    if (existing == existing.parent_path()) fail("inspect", path, ExitCode::kOther);
    existing = existing.parent_path();
  }
  return static_cast<std::int64_t>(status.f_bavail) * static_cast<std::int64_t>(status.f_frsize);
}

fs::path executable_path() { return fs::read_symlink("/proc/self/exe"); }

FileWriter::FileWriter(const fs::path& path, ExitCode code, Mode mode) : path_(path), code_(code) {
  int flags = O_WRONLY | O_NOFOLLOW | O_CLOEXEC;
  struct stat found {};
  const bool exists = ::lstat(path.c_str(), &found) == 0;
  if (mode == Mode::kAppend) {
    flags |= O_CREAT | O_APPEND;
  } else if (!exists || S_ISREG(found.st_mode) || S_ISLNK(found.st_mode)) {
    // A file made anew is this process's own: never another one's content behind a link of this name.
    flags |= O_CREAT | O_EXCL;
    if (exists && ::unlink(path.c_str()) != 0 && errno != ENOENT) fail("write", path_, code_);
  }  // else a device or a pipe, which is written to as it is
  fd_ = ::open(path.c_str(), flags, 0666);
  if (fd_ < 0) fail("write", path_, code_);
  if (mode == Mode::kAppend) {
    struct stat status;
    if (::fstat(fd_, &status) == 0) position_ = status.st_size;
  }
}

FileWriter::~FileWriter() {
  if (fd_ >= 0) ::close(fd_);
}

void FileWriter::write_all(const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t put = ::write(fd_, data, size);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail("write", path_, code_);
    data += put;
    size -= static_cast<std::size_t>(put);
  }
}

void FileWriter::write(const void* data, std::size_t size) {
  if (buffer_.size() + size > kBufferSize) flush();
  if (size > kBufferSize) {
    write_all(static_cast<const char*>(data), size);
  } else {
    buffer_.append(static_cast<const char*>(data), size);
  }
  position_ += static_cast<std::int64_t>(size);
}

void FileWriter::flush() {
  write_all(buffer_.data(), buffer_.size());
  buffer_.clear();
}

void FileWriter::sync() {
  flush();
  // Pipes and character devices have nothing to sync and say so with EINVAL.
  if (::fsync(fd_) != 0 && errno != EINVAL) fail("write", path_, code_);
}

void FileWriter::finish() {
  sync();
  const int fd = fd_;
  fd_ = -1;
  if (::close(fd) != 0) fail("write", path_, code_);
}

}  // namespace ingot
