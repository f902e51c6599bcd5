#pragma once
// Plain loops compiled for several instruction sets, chosen once when the program starts: AVX-512, AVX2 and the baseline on
// x86-64, the baseline elsewhere. Put INGOT_MULTIVERSION before the definition of a free function that is no template; what it
// calls must be INGOT_INLINE. The build itself has no -march, so that it runs on another CPU than the build's.

#include <bit>
#include <cstdint>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define INGOT_MULTIVERSION \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define INGOT_MULTIVERSION
#endif
#define INGOT_INLINE __attribute__((always_inline)) inline

namespace ingot::simd {

/// Independent partial sums: the width of an AVX-512 register in floats, so sums are the same on every instruction set up to
/// fused multiply-add.
inline constexpr int kLanes = 16;

INGOT_INLINE float to_float(float x) { return x; }
/// bfloat16 as its bits.
INGOT_INLINE float to_float(std::uint16_t x) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(x) << 16);
}

INGOT_INLINE void store(float* p, float x) { *p = x; }
/// Rounds to nearest, ties to even; NaN stays NaN.
INGOT_INLINE void store(std::uint16_t* p, float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  *p = static_cast<std::uint16_t>(x != x ? 0x7fc0u : rounded);
}

}  // namespace ingot::simd
