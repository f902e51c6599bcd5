#include "checkpoint/digest.h"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <memory>
#include <system_error>

#include "base/reading.h"
#include "base/text.h"

namespace ingot {

struct Digester::State {
  XXH3_state_t* value = XXH3_createState();
  State() { XXH3_64bits_reset(value); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { XXH3_freeState(value); }
};

Digester::Digester() : state_(std::make_unique<State>()) {}
Digester::~Digester() = default;

void Digester::add(const void* data, std::size_t size) {
  XXH3_64bits_update(state_->value, data, size);
  size_ += static_cast<std::int64_t>(size);
}

FileDigest Digester::result() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  XXH64_canonical_t bytes;
  XXH64_canonicalFromHash(&bytes, XXH3_64bits_digest(state_->value));
  std::string hex;
  for (const unsigned char byte : bytes.digest) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return {size_, hex};
}

FileDigest digest_bytes(std::string_view bytes) {
  Digester digester;
  digester.add(bytes.data(), bytes.size());
  return digester.result();
}

FileDigest digest_file(const fs::path& path) {
  const auto fail = [&](int reason) {
    throw CheckpointError(cat("cannot read '", path.string(), "': ", std::generic_category().message(reason)));
  };
  const int fd = open_regular(path, ExitCode::kCheckpoint);
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  Digester digester;
  constexpr std::size_t kBuffer = std::size_t{1} << 20;
  const auto buffer = std::make_unique_for_overwrite<char[]>(kBuffer);
  for (;;) {
    const ssize_t got = ::read(fd, buffer.get(), kBuffer);
    if (got < 0 && errno == EINTR) continue;
    if (got > 0) digester.add(buffer.get(), static_cast<std::size_t>(got));
    if (got > 0) continue;
    const int reason = errno;
    ::close(fd);
    if (got < 0) fail(reason);
    return digester.result();
  }
}

}  // namespace ingot
