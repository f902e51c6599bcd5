#pragma once
// Files and standard input as a stream of bytes, unpacked if they are gzip or zstd (told by their magic number).

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/files.h"

namespace ingot {

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  /// Reads up to `size` bytes; fewer only at the end, 0 at the end. Throws DataError: file, and the byte of the packed
  /// file at which it is damaged or ends too soon.
  virtual std::size_t read(char* out, std::size_t size) = 0;
  /// Bytes of the file on disk consumed so far, for progress.
  virtual std::int64_t packed_position() const = 0;
  /// Moves on by `count` bytes of the unpacked stream. Throws DataError if it ends before.
  virtual void skip(std::int64_t count);
};

enum class Packing { kNone, kGzip, kZstd };
/// By the first four bytes.
Packing packing_of_head(std::string_view head);
Packing packing_of(const fs::path& path);

std::unique_ptr<ByteStream> open_byte_stream(const fs::path& path);
/// The bytes as they are in the file.
std::unique_ptr<ByteStream> open_plain_file(const fs::path& path);
std::unique_ptr<ByteStream> open_standard_input();

}  // namespace ingot
