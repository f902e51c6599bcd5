#pragma once
// A file of records that grows: metrics and TensorBoard events. A full disk must not end a run, nor leave half a
// record.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/files.h"

namespace ingot {

class AppendFile {
 public:
  /// Opens for appending, creating file and folder. Throws Error if that fails.
  explicit AppendFile(const fs::path& path);
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;
  /// Tries once more to write what is pending.
  ~AppendFile();

  /// Hands the record to the kernel. If that fails the file is cut back to whole records, one warning is logged, and
  /// the record is kept (up to 16 MiB of them) and written with a later one.
  void append(std::string_view record);
  /// fsync of what was written; failures are logged, not thrown.
  void sync();
  /// Bytes that could not be written so far.
  std::size_t pending() const { return pending_.size(); }
  const fs::path& path() const { return path_; }

 private:
  void write_pending();
  void report_failure(int reason);
  fs::path path_;
  int fd_ = -1;
  std::int64_t size_ = 0;
  std::string pending_;
  std::int64_t dropped_ = 0;
  bool failing_ = false;
};

}  // namespace ingot
