#pragma once
// Plain loops compiled for several instruction sets, of which `level` is taken at run time: AVX-512, AVX2 and the
// baseline on x86-64, the baseline elsewhere. The build itself has no -march, so that it runs on another CPU than the
// build's.

#include <bit>
#include <cmath>
#include <cstdint>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define INGOT_SIMD_LEVELS 1
#define INGOT_TARGET_V3 __attribute__((target("arch=x86-64-v3")))
#define INGOT_TARGET_V4 __attribute__((target("arch=x86-64-v4")))
#endif
#define INGOT_INLINE __attribute__((always_inline)) inline
#define INGOT_INLINE_LAMBDA __attribute__((always_inline))

/// The body of a function: calls what stands in it, compiled for `simd::level()`. What is called must be INGOT_INLINE.
#define INGOT_MULTIVERSION(...) return ::ingot::simd::at_level([&]() INGOT_INLINE_LAMBDA { return __VA_ARGS__; })

namespace ingot::simd {

/// Instruction sets, each with all of the one before: the baseline, AVX2 with FMA (x86-64-v3), AVX-512 (x86-64-v4).
enum class Level { kBaseline, kV3, kV4 };

/// The widest that this CPU has, or what ATEN_CPU_CAPABILITY (default, avx2, avx512) names if that is less: the
/// variable that LibTorch's own kernels follow. Read once.
Level level();

#ifdef INGOT_SIMD_LEVELS
template <class F>
INGOT_TARGET_V3 __attribute__((noinline)) auto run_v3(const F& f) {
  return f();
}
template <class F>
INGOT_TARGET_V4 __attribute__((noinline)) auto run_v4(const F& f) {
  return f();
}
#endif

/// f(), an INGOT_INLINE_LAMBDA, compiled for each level.
template <class F>
auto at_level(const F& f) {
#ifdef INGOT_SIMD_LEVELS
  if (level() == Level::kV4) return run_v4(f);
  if (level() == Level::kV3) return run_v3(f);
#endif
  return f();
}

/// Independent partial sums: the width of an AVX-512 register in floats, so sums are the same on every instruction set
/// up to fused multiply-add.
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

/// e^x to about 1e-7 relative, without a branch or a call, so that loops over it vectorise (std::exp does not).
/// Saturates below -87.3 and above 88.3. x = n ln 2 + r, |r| <= ln 2 / 2, and a polynomial of degree 7 in r.
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

/// tanh x to about 4e-7 relative, likewise: x times a quotient of polynomials of degree 4 in x², fitted to the least
/// relative error on [-9, 9]; beyond, 1 is the nearest float.
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
