#pragma once
// SHA-256 (FIPS 180-4) and HMAC (RFC 2104) over it: for proofs that a message comes from somebody who knows a secret.
// No library that the program has otherwise offers them; checksums of files are xxhash's.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ingot {

using Sha256Digest = std::array<std::uint8_t, 32>;

class Sha256 {
 public:
  void add(std::string_view bytes);
  /// Of all that was added; the object is used up.
  Sha256Digest result();

 private:
  void mix(const std::uint8_t* block);
  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::uint8_t, 64> block_{};
  std::size_t filled_ = 0;  // bytes in `block_`
  std::uint64_t bytes_ = 0;
};

Sha256Digest hmac_sha256(std::string_view key, std::string_view text);

/// In a time that does not depend on where they differ.
bool equal_digests(const Sha256Digest& a, const Sha256Digest& b);

/// The digest's bytes.
inline std::string_view bytes_of(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

}  // namespace ingot
