#include "ops/attention/strips.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "device/simd.h"

// Products may use fused multiply-adds, so this file has its own versions for instruction sets in place of
// INGOT_MULTIVERSION: registers of each width want tiles of their own.

namespace ingot::ops::attention_cpu {

namespace {

/// A row of a strip as registers of `Bytes` bytes. Vectors are neither passed nor returned: how that is done depends on
/// the instruction set.
template <class T, int Bytes>
struct Row {
  static constexpr int kVectors = 64 / Bytes, kLanes = Bytes / static_cast<int>(sizeof(T));
  typedef T V __attribute__((vector_size(Bytes)));
  typedef Index<T> I __attribute__((vector_size(Bytes)));
  V v[kVectors];

  INGOT_INLINE void load(const T* p) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) std::memcpy(&v[j], p + j * kLanes, Bytes);
  }
  INGOT_INLINE void store(T* p) const {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) std::memcpy(p + j * kLanes, &v[j], Bytes);
  }
  INGOT_INLINE void fill(T value) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) v[j] = V{} + value;
  }
};

template <class T, int Bytes>
struct Kernels {
  using R = Row<T, Bytes>;
  using V = typename R::V;
  using I = typename R::I;
  static constexpr int kVectors = R::kVectors;
  static constexpr std::int64_t kW = kWidth<T>;
  // Sums of a tile, its row of b and one value of a fill the registers: 16 of 16 or 32 bytes, 32 of 64 bytes.
  static constexpr int kTile = Bytes == 64 ? 12 : Bytes == 32 ? 6 : 2;

  template <int Rows>
  INGOT_INLINE static void finish(T* c, R (&sums)[Rows], bool accumulate) {
#pragma GCC unroll 12
    for (int i = 0; i < Rows; ++i) {
      if (accumulate) {
        R old;
        old.load(c + i * kW);
#pragma GCC unroll 4
        for (int j = 0; j < kVectors; ++j) sums[i].v[j] += old.v[j];
      }
      sums[i].store(c + i * kW);
    }
  }

  /// sums[i] += a[i · step] · b for the rows i of a tile.
  template <int Rows>
  INGOT_INLINE static void add(R (&sums)[Rows], const T* a, std::int64_t step, const T* b) {
    R row;
    row.load(b);
#pragma GCC unroll 12
    for (int i = 0; i < Rows; ++i) {
      const T factor = a[i * step];
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) sums[i].v[j] += factor * row.v[j];
    }
  }

  template <int Rows>
  INGOT_INLINE static void tile(const Product<T>& p, std::int64_t first) {
    R sums[Rows];
#pragma GCC unroll 12
    for (int i = 0; i < Rows; ++i) sums[i].fill(T(0));
    const T* b = p.b;
    for (std::int64_t o = 0; o < p.strips; ++o) {
      const T* a = p.a + o * p.a_stride + first * kW;
      for (std::int64_t k = 0; k < kW; ++k, b += kW) add(sums, a + k, kW, b);
    }
    finish(p.c + first * kW, sums, p.accumulate);
  }

  template <int Rows>
  INGOT_INLINE static void transposed_tile(const TransposedProduct<T>& p, std::int64_t first) {
    R sums[Rows];
#pragma GCC unroll 12
    for (int i = 0; i < Rows; ++i) sums[i].fill(T(0));
    for (std::int64_t n = 0; n < p.rows; ++n) add(sums, p.a + n * kW + first, 1, p.b + n * kW);
    finish(p.c + first * kW, sums, p.accumulate);
  }

  INGOT_INLINE static void product(const Product<T>& p) {
    std::int64_t i = 0;
    for (; i + kTile <= p.rows; i += kTile) tile<kTile>(p, i);
    if constexpr (kTile > 4) {
      for (; i + 4 <= p.rows; i += 4) tile<4>(p, i);
    }
    for (; i + 2 <= p.rows; i += 2) tile<2>(p, i);
    if (i < p.rows) tile<1>(p, i);
  }

  INGOT_INLINE static void transposed_product(const TransposedProduct<T>& p) {
    std::int64_t i = 0;
    for (; i + kTile <= kW; i += kTile) transposed_tile<kTile>(p, i);
    if constexpr (kTile > 4) {
      for (; i + 4 <= kW; i += 4) transposed_tile<4>(p, i);
    }
    for (; i + 2 <= kW; i += 2) transposed_tile<2>(p, i);
  }

  /// x <- e^x: simd::exp on a vector.
  INGOT_INLINE static void exp(V& x) {
    if constexpr (sizeof(T) == 8) {
      for (int l = 0; l < R::kLanes; ++l) x[l] = std::exp(x[l]);
    } else {
      constexpr float kRound = 12582912.0f;  // 1.5 · 2^23
      const V low = V{} - 87.3f, high = V{} + 88.3f;
      x = x < low ? low : x;
      x = x > high ? high : x;
      const V shifted = x * 1.44269504088896341f + kRound;
      const V n = shifted - kRound;
      const V r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
      V p = r * (1.0f / 5040.0f) + 1.0f / 720.0f;
      p = p * r + 1.0f / 120.0f;
      p = p * r + 1.0f / 24.0f;
      p = p * r + 1.0f / 6.0f;
      p = p * r + 0.5f;
      p = p * r + 1.0f;
      p = p * r + 1.0f;
      I exponent;
      std::memcpy(&exponent, &shifted, Bytes);
      exponent = (exponent - 0x4b400000 + 127) << 23;
      V factor;
      std::memcpy(&factor, &exponent, Bytes);
      x = p * factor;
    }
  }

  /// The lanes that see `row`: all bits set.
  struct Seen {
    I low[kVectors], high[kVectors];
    INGOT_INLINE explicit Seen(const StripRange<T>& range) {
      std::memcpy(low, range.low, sizeof(low));
      std::memcpy(high, range.high, sizeof(high));
    }
    INGOT_INLINE void lanes(std::int64_t row, int j, I& seen) const {
      const I index = I{} + static_cast<Index<T>>(row);
      seen = (index >= low[j]) & (index < high[j]);
    }
  };

  /// Calls f.template operator()<masked>(begin, end) for the rows seen by some lane, in order.
  template <class F>
  INGOT_INLINE static void rows_of(const StripRange<T>& range, F f) {
    if (range.full_begin >= range.full_end) {
      f.template operator()<true>(range.begin, range.end);
      return;
    }
    f.template operator()<true>(range.begin, range.full_begin);
    f.template operator()<false>(range.full_begin, range.full_end);
    f.template operator()<true>(range.full_end, range.end);
  }

  /// score <- e^score in the lanes of vector j that see `row`, 0 in the others.
  template <bool kMasked>
  INGOT_INLINE static void weight(V& score, const Seen& seen, std::int64_t row, int j) {
    exp(score);
    if constexpr (kMasked) {
      I lanes;
      seen.lanes(row, j, lanes);
      score = lanes ? score : V{};
    }
  }

  INGOT_INLINE static void softmax(const SoftmaxBlock<T>& block) {
    const StripRange<T>& range = *block.range;
    const Seen seen(range);
    R max, old, sum;
    old.load(block.max);
    max = old;
    rows_of(
        range, [&]<bool kMasked>(std::int64_t begin, std::int64_t end) __attribute__((always_inline)) {
          for (std::int64_t n = begin; n < end; ++n) {
            R s;
            s.load(block.scores + n * kW);
#pragma GCC unroll 4
            for (int j = 0; j < kVectors; ++j) {
              V larger = s.v[j] > max.v[j] ? s.v[j] : max.v[j];
              if constexpr (kMasked) {
                I lanes;
                seen.lanes(n, j, lanes);
                larger = lanes ? larger : max.v[j];
              }
              max.v[j] = larger;
            }
          }
        });
    sum.fill(T(0));
    rows_of(
        range, [&]<bool kMasked>(std::int64_t begin, std::int64_t end) __attribute__((always_inline)) {
          for (std::int64_t n = begin; n < end; ++n) {
            R s;
            s.load(block.scores + n * kW);
#pragma GCC unroll 4
            for (int j = 0; j < kVectors; ++j) {
              V p = s.v[j] - max.v[j];
              weight<kMasked>(p, seen, n, j);
              sum.v[j] += p;
              s.v[j] = p;
            }
            s.store(block.scores + n * kW);
          }
        });
    R before;
    before.load(block.sum);
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) {
      old.v[j] -= max.v[j];
      exp(old.v[j]);
      sum.v[j] += before.v[j] * old.v[j];
    }
    max.store(block.max);
    sum.store(block.sum);
    old.store(block.decay);
  }

  INGOT_INLINE static void gradient(const GradientBlock<T>& block) {
    const StripRange<T>& range = *block.range;
    const Seen seen(range);
    R lse, delta;
    lse.load(block.lse);
    delta.load(block.delta);
    rows_of(
        range, [&]<bool kMasked>(std::int64_t begin, std::int64_t end) __attribute__((always_inline)) {
          for (std::int64_t n = begin; n < end; ++n) {
            R s, d;
            s.load(block.scores + n * kW);
            d.load(block.dp + n * kW);
#pragma GCC unroll 4
            for (int j = 0; j < kVectors; ++j) {
              V p = s.v[j] - lse.v[j];
              weight<kMasked>(p, seen, n, j);
              s.v[j] = p;
              d.v[j] = p * (d.v[j] - delta.v[j]);
            }
            s.store(block.scores + n * kW);
            d.store(block.dp + n * kW);
          }
        });
  }
};

#define INGOT_VERSION(T, bytes, name, attribute)                                                                \
  attribute void product_##name(const Product<T>& p) { Kernels<T, bytes>::product(p); }                         \
  attribute void transposed_##name(const TransposedProduct<T>& p) { Kernels<T, bytes>::transposed_product(p); } \
  attribute void softmax_##name(const SoftmaxBlock<T>& b) { Kernels<T, bytes>::softmax(b); }                    \
  attribute void gradient_##name(const GradientBlock<T>& b) { Kernels<T, bytes>::gradient(b); }                 \
  constexpr StripKernels<T> kKernels_##name{product_##name, transposed_##name, softmax_##name, gradient_##name};

INGOT_VERSION(float, 16, float_128, )
INGOT_VERSION(double, 16, double_128, )

#ifdef INGOT_SIMD_LEVELS
INGOT_VERSION(float, 32, float_256, INGOT_TARGET_V3)
INGOT_VERSION(double, 32, double_256, INGOT_TARGET_V3)
INGOT_VERSION(float, 64, float_512, INGOT_TARGET_V4)
INGOT_VERSION(double, 64, double_512, INGOT_TARGET_V4)

/// Those of `all`, one for each level, that may be used.
template <class T>
std::vector<const StripKernels<T>*> usable(std::vector<const StripKernels<T>*> all) {
  all.resize(static_cast<std::size_t>(simd::level()) + 1);
  return all;
}
#endif

}  // namespace

template <class T>
void StripRange<T>::close(std::int64_t rows) {
  begin = full_end = rows;
  end = full_begin = 0;
  for (std::int64_t l = 0; l < kWidth<T>; ++l) {
    full_begin = std::max<std::int64_t>(full_begin, low[l]);
    full_end = std::min<std::int64_t>(full_end, high[l]);
    if (low[l] >= high[l]) continue;
    begin = std::min<std::int64_t>(begin, low[l]);
    end = std::max<std::int64_t>(end, high[l]);
  }
  if (begin >= end) begin = end = 0;
}
template struct StripRange<float>;
template struct StripRange<double>;

#ifdef INGOT_SIMD_LEVELS
template <>
std::vector<const StripKernels<float>*> usable_strip_kernels() {
  return usable<float>({&kKernels_float_128, &kKernels_float_256, &kKernels_float_512});
}
template <>
std::vector<const StripKernels<double>*> usable_strip_kernels() {
  return usable<double>({&kKernels_double_128, &kKernels_double_256, &kKernels_double_512});
}
#else
template <>
std::vector<const StripKernels<float>*> usable_strip_kernels() {
  return {&kKernels_float_128};
}
template <>
std::vector<const StripKernels<double>*> usable_strip_kernels() {
  return {&kKernels_double_128};
}
#endif

template <class T>
const StripKernels<T>& strip_kernels() {
  static const StripKernels<T>& fastest = *usable_strip_kernels<T>().back();
  return fastest;
}
template const StripKernels<float>& strip_kernels();
template const StripKernels<double>& strip_kernels();

}  // namespace ingot::ops::attention_cpu
