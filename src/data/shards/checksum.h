#pragma once
// Checksums of data: xxh3. They find accidents, not attacks.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace ingot {

/// 16 hexadecimal digits of xxh3-64.
std::string hash64(std::string_view bytes);
/// 32 hexadecimal digits of xxh3-128.
std::string hash128(std::string_view bytes);

/// xxh3-128 of a stream.
class StreamHash {
 public:
  StreamHash();
  ~StreamHash();
  StreamHash(const StreamHash&) = delete;
  StreamHash& operator=(const StreamHash&) = delete;

  void update(const void* data, std::size_t size);
  void update(std::string_view bytes) { update(bytes.data(), bytes.size()); }
  /// A length before the bytes, so that ("ab", "c") and ("a", "bc") differ.
  void field(std::string_view bytes);
  /// 32 hexadecimal digits of all bytes so far.
  std::string digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ingot
