#include "base/random.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <bit>
#include <cmath>
#include <numbers>
#include <stdexcept>

namespace ingot {

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  constexpr std::uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = kMultiplier0 * counter[0];
    const std::uint64_t b = kMultiplier1 * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

std::uint64_t stream_key(std::uint64_t seed, std::string_view name) {
  return XXH3_64bits_withSeed(name.data(), name.size(), seed);
}

std::uint64_t RandomStream::at(std::uint64_t i) const {
  // One block gives two values: the counter is i / 2, its parity picks the half.
  const std::uint64_t block = i / 2;
  const auto bits = philox4x32({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), 0, 0},
                               {static_cast<std::uint32_t>(key_), static_cast<std::uint32_t>(key_ >> 32)});
  const std::size_t half = 2 * (i % 2);
  return bits[half] | static_cast<std::uint64_t>(bits[half + 1]) << 32;
}

double RandomStream::uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

double RandomStream::normal() {
  const double u = 1.0 - uniform();  // in (0, 1]: the logarithm is finite
  const double v = uniform();
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

std::uint64_t RandomStream::below(std::uint64_t bound) {
  if (bound == 0) throw std::logic_error("RandomStream::below(0)");
  // Lemire 2019, "Fast Random Integer Generation in an Interval": the high half of next() * bound,
  // rejecting the few low halves that would favour some results.
  const std::uint64_t threshold = (0 - bound) % bound;
  for (;;) {
    const auto product = static_cast<unsigned __int128>(next()) * bound;
    if (static_cast<std::uint64_t>(product) >= threshold) return static_cast<std::uint64_t>(product >> 64);
  }
}

namespace {

/// The finaliser of SplitMix64 (Steele et al. 2014): a bijection of 64 bits that mixes every bit
/// into every other.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

}  // namespace

std::uint64_t permute(std::uint64_t size, std::uint64_t key, std::uint64_t index) {
  if (index >= size) throw std::logic_error("permute: index outside 0..size-1");
  if (size == 1) return 0;
  const int half_bits = (std::bit_width(size - 1) + 1) / 2;
  const std::uint64_t mask = (std::uint64_t{1} << half_bits) - 1;
  constexpr std::uint64_t kRounds = 8;
  // A cycle of the network over 4^half_bits that starts inside the range returns to the range: the
  // walk ends, after fewer than four steps on average.
  do {
    std::uint64_t left = index >> half_bits, right = index & mask;
    for (std::uint64_t round = 1; round <= kRounds; ++round) {
      const std::uint64_t swapped = left ^ (mix(mix(key + round * 0x9E3779B97F4A7C15) + right) & mask);
      left = right;
      right = swapped;
    }
    index = left << half_bits | right;
  } while (index >= size);
  return index;
}

}  // namespace ingot
