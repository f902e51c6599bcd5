#pragma once
// Files that survive a kill: whole or absent, never half. Errors of the file system are thrown as
// the Error type that the caller names (a full disk is exit 3 while tokenising, 4 while saving).

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace ingot {

namespace fs = std::filesystem;

/// The whole file. Throws Error(code) naming the path and the reason.
std::string read_file(const fs::path& path, ExitCode code = ExitCode::kOther);

/// Writes a temporary sibling, fsyncs it, renames it over `path`, fsyncs the folder.
void write_file_atomic(const fs::path& path, std::string_view bytes, ExitCode code = ExitCode::kOther);

/// fsync of a file or a folder.
void sync_path(const fs::path& path, ExitCode code = ExitCode::kOther);

/// Renames and fsyncs both folders; `to` must not exist as a non-empty folder.
void rename_durably(const fs::path& from, const fs::path& to, ExitCode code = ExitCode::kOther);

/// Bytes an unprivileged process may still write on the file system that holds `path` (or its
/// nearest existing parent).
std::int64_t free_space(const fs::path& path);

/// The absolute path of the running program.
fs::path executable_path();

/// Appends with buffering and a checked close; what was written is durable after `finish`.
class FileWriter {
 public:
  enum class Mode { kTruncate, kAppend };
  FileWriter(const fs::path& path, ExitCode code, Mode mode = Mode::kTruncate);
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  /// Closes without fsync and without throwing: what was not finished does not count.
  ~FileWriter();

  void write(const void* data, std::size_t size);
  void write(std::string_view bytes) { write(bytes.data(), bytes.size()); }
  /// Hands buffered bytes to the kernel.
  void flush();
  /// Flush and fsync, file stays open.
  void sync();
  /// Flush, fsync, close. Throws Error(code) with the path on any failure.
  void finish();
  /// Size of the file so far, buffered bytes included.
  std::int64_t position() const { return position_; }

 private:
  void write_all(const char* data, std::size_t size);
  fs::path path_;
  ExitCode code_;
  int fd_ = -1;
  std::int64_t position_ = 0;
  std::string buffer_;
};

}  // namespace ingot
