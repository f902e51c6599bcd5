#pragma once
// Plain loops compiled for several instruction sets, chosen once when the program starts: AVX-512, AVX2 and the baseline on
// x86-64, the baseline elsewhere. Put INGOT_MULTIVERSION before the definition of a free function that is no template; what it
// calls must be INGOT_INLINE. The build itself has no -march, so that it runs on another CPU than the build's.

#include <bit>
#include <cmath>
#include <cstdint>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define INGOT_MULTIVERSION __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define INGOT_MULTIVERSION
#endif
#define INGOT_INLINE __attribute__((always_inline)) inline

namespace ingot::simd {

/// Independent partial sums: the width of an AVX-512 register in floats, so sums are the same on every instruction set up to
/// fused multiply-add.
inline constexpr int kLanes = 16;

/// The value in the type that sums are taken in. bfloat16 comes as its bits.
INGOT_INLINE double wide(double x) { return x; }
INGOT_INLINE float wide(float x) { return x; }
INGOT_INLINE float wide(std::uint16_t x) { return std::bit_cast<float>(static_cast<std::uint32_t>(x) << 16); }

INGOT_INLINE void store(double* p, double x) { *p = x; }
INGOT_INLINE void store(float* p, float x) { *p = x; }
/// Rounds to nearest, ties to even; NaN stays NaN.
INGOT_INLINE void store(std::uint16_t* p, float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  *p = static_cast<std::uint16_t>(x != x ? 0x7fc0u : rounded);
}

/// Their sum, by halves.
template <class A>
INGOT_INLINE A total(A (&lanes)[kLanes]) {
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int l = 0; l < half; ++l) lanes[l] += lanes[l + half];
  }
  return lanes[0];
}

/// sum of f(i) for i in [0, n), in kLanes independent partial sums.
template <class A, class F>
INGOT_INLINE A lane_sum(std::int64_t n, F f) {
  A lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) lanes[j] += f(i + j);
  }
  A rest = 0;
  for (; i < n; ++i) rest += f(i);
  return total(lanes) + rest;
}

/// e^x to about 1e-7 relative, without a branch or a call, so that loops over it vectorise (std::exp does not). Saturates
/// below -87.3 and above 88.3. x = n ln 2 + r, |r| <= ln 2 / 2, and a polynomial of degree 7 in r.
INGOT_INLINE float exp(float x) {
  constexpr float kRound = 12582912.0f;  // 1.5 · 2^23: adding it rounds to an integer in the low bits
  x = x < -87.3f ? -87.3f : x;
  x = x > 88.3f ? 88.3f : x;
  const float shifted = x * 1.44269504088896341f + kRound;
  const float n = shifted - kRound;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.0f / 5040.0f;
  p = p * r + 1.0f / 720.0f;
  p = p * r + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const std::uint32_t exponent = (std::bit_cast<std::uint32_t>(shifted) - 0x4b400000u + 127u) << 23;
  return p * std::bit_cast<float>(exponent);
}
INGOT_INLINE double exp(double x) { return std::exp(x); }

/// tanh x to about 4e-7 relative, likewise: x times a quotient of polynomials of degree 4 in x², fitted to the least relative
/// error on [-9, 9]; beyond, 1 is the nearest float.
INGOT_INLINE float tanh(float x) {
  x = x < -9.0f ? -9.0f : x;
  x = x > 9.0f ? 9.0f : x;
  const float s = x * x;
  const float p = (((1.3354352e-8f * s + 2.0608852e-5f) * s + 3.4955740e-3f) * s + 1.3381013e-1f) * s + 1.0f;
  const float q = (((7.7764292e-7f * s + 3.2856117e-4f) * s + 2.5876928e-2f) * s + 4.6714330e-1f) * s + 1.0f;
  return x * p / q;
}
INGOT_INLINE double tanh(double x) { return std::tanh(x); }

/// 1 / (1 + e^-x).
template <class A>
INGOT_INLINE A sigmoid(A x) {
  return A(1) / (A(1) + exp(-x));
}

}  // namespace ingot::simd
