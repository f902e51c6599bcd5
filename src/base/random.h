#pragma once
// Counter-based randomness: a value depends on (seed, name or site, index) alone, never on what was
// drawn before elsewhere, on the device, on the thread count or on the world size. Generator:
// Philox4x32-10 (Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3", section 5.3).

#include <array>
#include <cstdint>
#include <string_view>

namespace ingot {

/// Ten rounds of Philox4x32: a bijection of the 128-bit counter for each 64-bit key.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

/// A 64-bit mix of seed and name (xxh3); equal inputs give equal keys on every machine.
std::uint64_t stream_key(std::uint64_t seed, std::string_view name);

/// A stream of numbers of one (seed, name); `at(i)` gives random access, `next` walks.
class RandomStream {
 public:
  explicit RandomStream(std::uint64_t key, std::uint64_t start = 0) : key_(key), index_(start) {}
  RandomStream(std::uint64_t seed, std::string_view name) : RandomStream(stream_key(seed, name)) {}

  /// The i-th 64 random bits.
  std::uint64_t at(std::uint64_t i) const;
  std::uint64_t next() { return at(index_++); }
  /// Uniform in [0, 1), 53 bits.
  double uniform();
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Standard normal by Box-Muller; consumes two values for each call, so draws stay addressable.
  double normal();
  /// Uniform integer in [0, bound); bound > 0; without modulo bias.
  std::uint64_t below(std::uint64_t bound);

 private:
  std::uint64_t key_;
  std::uint64_t index_;
};

/// A keyed permutation of 0..size-1 in O(1) memory (format-preserving: a Feistel network over the
/// next power of four, walked until the image lies in range). `permute(size, key, .)` is a
/// bijection for each key.
std::uint64_t permute(std::uint64_t size, std::uint64_t key, std::uint64_t index);

}  // namespace ingot
