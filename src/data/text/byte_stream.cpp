#include "data/text/byte_stream.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <new>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "data/text/source_files.h"

namespace ingot {
namespace {

constexpr std::size_t kPackedBuffer = std::size_t{1} << 18;

class FileStream final : public ByteStream {
 public:
  FileStream(int descriptor, std::string name, bool is_file)
      : descriptor_(descriptor), name_(std::move(name)), is_file_(is_file) {}
  ~FileStream() override {
    if (is_file_) ::close(descriptor_);
  }

  std::size_t read(char* out, std::size_t size) override {
    std::size_t done = 0;
    while (done < size) {
      const ssize_t got = ::read(descriptor_, out + done, size - done);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw DataError("cannot read " + name_ + ": " + std::generic_category().message(errno));
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    position_ += static_cast<std::int64_t>(done);
    return done;
  }
  std::int64_t packed_position() const override { return position_; }
  void skip(std::int64_t count) override {
    if (!is_file_) return ByteStream::skip(count);
    position_ = ::lseek(descriptor_, count, SEEK_CUR);
  }

 private:
  int descriptor_;
  std::string name_;
  bool is_file_;
  std::int64_t position_ = 0;
};

/// What gzip and zstd have in common: a packed stream read through a buffer.
class PackedStream : public ByteStream {
 public:
  PackedStream(std::unique_ptr<ByteStream> packed, std::string name)
      : packed_(std::move(packed)), name_(std::move(name)), buffer_(kPackedBuffer) {}
  std::int64_t packed_position() const override { return packed_->packed_position(); }

 protected:
  /// Refills the empty buffer; false at the end.
  bool refill() {
    begin_ = 0;
    end_ = packed_->read(buffer_.data(), buffer_.size());
    return end_ > 0;
  }
  [[noreturn]] void fail(const std::string& what) const {
    const std::int64_t at = packed_->packed_position() - static_cast<std::int64_t>(end_ - begin_);
    throw DataError(cat(name_, ": byte ", at, ": ", what));
  }

  std::unique_ptr<ByteStream> packed_;
  std::string name_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;
};

class GzipStream final : public PackedStream {
 public:
  GzipStream(std::unique_ptr<ByteStream> packed, std::string name) : PackedStream(std::move(packed), std::move(name)) {
    if (inflateInit2(&zlib_, 16 + MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  ~GzipStream() override { inflateEnd(&zlib_); }

  std::size_t read(char* out, std::size_t size) override {
    std::size_t done = 0;
    while (done < size) {
      if (begin_ == end_ && !refill()) {
        if (in_member_) fail("the gzip data ends too soon");
        break;
      }
      if (!in_member_) start_member();
      zlib_.next_in = reinterpret_cast<Bytef*>(buffer_.data() + begin_);
      zlib_.avail_in = static_cast<uInt>(end_ - begin_);
      zlib_.next_out = reinterpret_cast<Bytef*>(out + done);
      zlib_.avail_out = static_cast<uInt>(std::min<std::size_t>(size - done, 1u << 30));
      const uInt room = zlib_.avail_out;
      const int status = inflate(&zlib_, Z_NO_FLUSH);
      begin_ = end_ - zlib_.avail_in;
      done += room - zlib_.avail_out;
      if (status == Z_STREAM_END) {
        in_member_ = false;
      } else if (status != Z_OK && status != Z_BUF_ERROR) {
        fail("damaged gzip data");
      }
    }
    return done;
  }

 private:
  /// A gzip file may be several members one after the other.
  void start_member() {
    inflateReset(&zlib_);
    in_member_ = true;
  }

  z_stream zlib_{};
  bool in_member_ = false;
};

/// Files packed with `--long` ask for up to 2 GiB of window, which must be in proportion to the file: a few bytes could
/// ask for as much. Up to 128 MiB, zstd's own limit, is always granted.
int zstd_window_log(std::int64_t packed_bytes) {
  constexpr std::uint64_t kWindowPerByte = 1024;
  constexpr int kUsual = 27, kMost = 31;
  const std::uint64_t window = static_cast<std::uint64_t>(packed_bytes) * kWindowPerByte;
  return std::clamp(static_cast<int>(std::bit_width(window)), kUsual, kMost);
}

class ZstdStream final : public PackedStream {
 public:
  ZstdStream(std::unique_ptr<ByteStream> packed, std::string name, std::int64_t packed_bytes)
      : PackedStream(std::move(packed), std::move(name)),
        window_log_(zstd_window_log(packed_bytes)),
        zstd_(ZSTD_createDStream()) {
    if (zstd_ == nullptr) throw std::bad_alloc();
    ZSTD_DCtx_setParameter(zstd_, ZSTD_d_windowLogMax, window_log_);
  }
  ~ZstdStream() override { ZSTD_freeDStream(zstd_); }

  std::size_t read(char* out, std::size_t size) override {
    ZSTD_outBuffer target{out, size, 0};
    while (target.pos < size) {
      // Even without new input the decoder may hold output.
      if (begin_ == end_ && !has_output_ && !refill()) {
        if (in_frame_) fail("the zstd data ends too soon");
        break;
      }
      ZSTD_inBuffer source{buffer_.data(), end_, begin_};
      const std::size_t status = ZSTD_decompressStream(zstd_, &target, &source);
      begin_ = source.pos;
      if (ZSTD_isError(status)) fail_unpacking(status);
      in_frame_ = status != 0;
      has_output_ = in_frame_ && target.pos == size;
    }
    return target.pos;
  }

 private:
  [[noreturn]] void fail_unpacking(std::size_t status) const {
    switch (ZSTD_getErrorCode(status)) {
      case ZSTD_error_memory_allocation:
        throw std::bad_alloc();
      case ZSTD_error_frameParameter_windowTooLarge:
        fail(cat("its zstd data asks for a window of more than ", format_bytes(std::ldexp(1.0, window_log_)),
                 ", the most for a file of this size: pack it again without --long"));
      default:
        fail(std::string("damaged zstd data (") + ZSTD_getErrorName(status) + ")");
    }
  }

  int window_log_;
  ZSTD_DStream* zstd_;
  bool in_frame_ = false;
  bool has_output_ = false;
};

}  // namespace

void ByteStream::skip(std::int64_t count) {
  std::vector<char> buffer(kPackedBuffer);
  while (count > 0) {
    const std::size_t want = static_cast<std::size_t>(std::min<std::int64_t>(count, kPackedBuffer));
    const std::size_t got = read(buffer.data(), want);
    if (got == 0) throw DataError("the input is shorter than it was");
    count -= static_cast<std::int64_t>(got);
  }
}

std::unique_ptr<ByteStream> open_plain_file(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    throw DataError("cannot open '" + path.string() + "': " + std::generic_category().message(errno));
  }
  return std::make_unique<FileStream>(descriptor, cat("'", path.string(), "'"), true);
}

Packing packing_of_head(std::string_view head) {
  if (head.starts_with("\x1F\x8B")) return Packing::kGzip;
  if (head.starts_with("\x28\xB5\x2F\xFD")) return Packing::kZstd;
  // Frames that a reader of zstd skips, which some programs put first: 0x184D2A50 to 0x184D2A5F.
  if (head.size() >= 4 && head.substr(1, 3) == "\x2A\x4D\x18" && (head[0] & 0xF0) == 0x50) return Packing::kZstd;
  return Packing::kNone;
}

Packing packing_of(const fs::path& path) {
  char head[4];
  return packing_of_head(std::string_view(head, open_plain_file(path)->read(head, sizeof head)));
}

std::unique_ptr<ByteStream> open_byte_stream(const fs::path& path) {
  const Packing packing = packing_of(path);
  auto file = open_plain_file(path);
  if (packing == Packing::kGzip) return std::make_unique<GzipStream>(std::move(file), path.string());
  if (packing == Packing::kZstd) {
    return std::make_unique<ZstdStream>(std::move(file), path.string(), look_at(path).bytes);
  }
  return file;
}

std::unique_ptr<ByteStream> open_standard_input() {
  return std::make_unique<FileStream>(STDIN_FILENO, "standard input", false);
}

}  // namespace ingot
