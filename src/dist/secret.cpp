#include "dist/secret.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <system_error>
#include <thread>

#include "base/clock.h"
#include "base/host.h"
#include "base/stop_signals.h"
#include "base/text.h"
#include "dist/launch.h"
#include "dist/socket.h"
#include "dist/store_place.h"
#include "dist/store_protocol.h"

namespace ingot {
namespace {

constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kFileBytes = 2 * kSecretBytes + 1;  // with a line end
constexpr auto kPoll = std::chrono::milliseconds(50);

using File = dist_detail::Socket;  // a descriptor that is closed with it

std::string reason() { return std::generic_category().message(errno); }

/// The secret in the file; none if there is no file or it is not whole. Throws DistributedError if another user could
/// know what is in it.
std::optional<std::string> read_secret(const fs::path& path) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.fd() < 0 && errno == ENOENT) return std::nullopt;
  struct stat found {};
  if (file.fd() < 0 || ::fstat(file.fd(), &found) != 0) {
    throw DistributedError(cat("cannot read '", path.string(), "', the secret of this job's ranks: ", reason()));
  }
  if (!S_ISREG(found.st_mode) || found.st_uid != ::geteuid() || (found.st_mode & 077) != 0) {
    throw DistributedError(cat("'", path.string(),
                               "' is no secret of this job's ranks: it is not a file that only its ",
                               "owner, this user, can read; remove it"));
  }
  std::array<char, kFileBytes + 1> text{};
  if (::read(file.fd(), text.data(), text.size()) != static_cast<ssize_t>(kFileBytes)) return std::nullopt;
  return std::string(text.data(), kFileBytes - 1);
}

}  // namespace

std::string make_secret() {
  std::string out;
  for (const unsigned char byte : dist_detail::random_bytes(kSecretBytes)) {
    out += "0123456789abcdef"[byte / 16];
    out += "0123456789abcdef"[byte % 16];
  }
  return out;
}

SecretFile::SecretFile(const fs::path& folder, int rank, double timeout) : path_(folder / ".meeting-secret") {
  if (rank == 0) {
    make();
  } else {
    await(timeout);
  }
}

SecretFile::~SecretFile() {
  if (mine_) ::unlink(path_.c_str());
}

void SecretFile::make() {
  std::error_code ignored;  // if this fails, so does the open
  fs::create_directories(path_.parent_path(), ignored);
  if (const auto left = read_secret(path_)) {
    secret_ = *left;
    mine_ = true;
    return;
  }
  ::unlink(path_.c_str());  // half of one, of a start that was killed
  const File file(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  secret_ = make_secret();
  const auto text = secret_ + "\n";
  mine_ = file.fd() >= 0;
  if (!mine_ || ::write(file.fd(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      (::fsync(file.fd()) != 0 && errno != EINVAL)) {
    const auto why = reason();
    if (mine_) ::unlink(path_.c_str());
    throw DistributedError(cat("cannot write '", path_.string(), "', by which the ranks know each other: ", why,
                               "; or set ", kSecretVariable, " to the same random text for all ranks"));
  }
}

void SecretFile::await(double timeout) {
  const auto start = Clock::now();
  while (true) {
    if (auto found = read_secret(path_)) {
      secret_ = std::move(*found);
      return;
    }
    StopSignals::end_if_received(dist_detail::kBeforeRendezvous);
    if (seconds_since(start) > timeout) {
      throw DistributedError(cat("rank 0 put no secret into '", path_.string(), "' within ", timeout,
                                 " s; if this rank does not see rank 0's run.dir, set ", kSecretVariable,
                                 " to the same random text for all ranks"));
    }
    std::this_thread::sleep_for(kPoll);
  }
}

std::string SecretFile::hint() const {
  return cat("; a rank that does not see '", path_.parent_path().string(), "' needs ", kSecretVariable);
}

}  // namespace ingot
