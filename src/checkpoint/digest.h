#pragma once
// Checksums of files: XXH3, 64 bits. They tell damage, not malice.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/files.h"

namespace ingot {

/// What a manifest records of a file.
struct FileDigest {
  std::int64_t size = 0;
  std::string xxh3;  // 16 hex digits
  bool operator==(const FileDigest&) const = default;
};

/// Digest of bytes that come in pieces.
class Digester {
 public:
  Digester();
  ~Digester();
  Digester(const Digester&) = delete;
  Digester& operator=(const Digester&) = delete;
  void add(const void* data, std::size_t size);
  FileDigest result() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::int64_t size_ = 0;
};

FileDigest digest_bytes(std::string_view bytes);
/// The file is read, not mapped: a failing disk gives CheckpointError instead of a signal.
FileDigest digest_file(const fs::path& path);

}  // namespace ingot
