#include "ops/linear_cross_entropy/softmax_kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "device/simd.h"

namespace ingot::ops::softmax_kernels {
namespace {

using simd::kLanes;

constexpr std::int64_t kTile = 256;  // exponentials that are made in one loop before they are summed

/// kLanes values side by side. Spelt as a vector type because the compiler does not vectorise reductions reliably.
/// Never passed or returned: how that is done depends on the instruction set.
template <class T>
struct Lanes {
  typedef T Vector __attribute__((vector_size(kLanes * sizeof(T))));
  Vector v;

  INGOT_INLINE explicit Lanes(const T* p) { std::memcpy(&v, p, sizeof(v)); }
  INGOT_INLINE explicit Lanes(T value) {
    for (int j = 0; j < kLanes; ++j) v[j] = value;
  }
};

template <class T>
INGOT_INLINE T row_max(const T* x, std::int64_t n) {
  Lanes<T> lanes(-std::numeric_limits<T>::infinity());
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Lanes<T> next(x + i);
    lanes.v = next.v > lanes.v ? next.v : lanes.v;
  }
  T max = lanes.v[0];
  for (int j = 1; j < kLanes; ++j) max = lanes.v[j] > max ? lanes.v[j] : max;
  for (; i < n; ++i) max = x[i] > max ? x[i] : max;
  return max;
}

/// x <- exp(x - max), or x stays as it is.
template <bool kOverwrite, class T>
INGOT_INLINE T sum_of_exp(T* __restrict x, std::int64_t n, T max) {
  Lanes<T> lanes(T(0));
  T rest = 0;
  T tile[kTile];
  for (std::int64_t begin = 0; begin < n; begin += kTile) {
    const std::int64_t count = n - begin < kTile ? n - begin : kTile;
    T* const values = kOverwrite ? x + begin : tile;
    for (std::int64_t i = 0; i < count; ++i) values[i] = simd::exp(x[begin + i] - max);
    std::int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) lanes.v += Lanes<T>(values + i).v;
    for (; i < count; ++i) rest += values[i];
  }
  for (int j = 0; j < kLanes; ++j) rest += lanes.v[j];
  return rest;
}

template <class T>
struct RowStatistics {
  T max, sum, lse, target_logit;
};

template <bool kOverwrite, class T>
INGOT_INLINE RowStatistics<T> row_losses(const Chunk<T>& c, std::int64_t row) {
  T* __restrict x = c.logits + row * c.stride;
  if (c.column_scale != nullptr) {
    const T* __restrict scale = c.column_scale;
    for (std::int64_t i = 0; i < c.vocab; ++i) x[i] *= scale[i];
  }
  RowStatistics<T> s;
  s.target_logit = x[c.targets[row]];
  s.max = row_max(x, c.vocab);
  s.sum = sum_of_exp<kOverwrite>(x, c.vocab, s.max);
  s.lse = s.max + std::log(s.sum);
  c.cross_entropy[row] = s.lse - s.target_logit;
  c.z[row] = static_cast<T>(c.z_loss) * s.lse * s.lse;
  return s;
}

template <class T>
INGOT_INLINE void no_losses(const Chunk<T>& c, std::int64_t row) {
  c.cross_entropy[row] = 0;
  c.z[row] = 0;
}

template <class T>
INGOT_INLINE void losses_loop(const Chunk<T>& c, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    if (c.targets[row] < 0) {
      no_losses(c, row);
    } else {
      row_losses<false>(c, row);
    }
  }
}

/// Rows without column scale: x holds exp(logit - max); out <- x · share.
template <class T>
INGOT_INLINE void plain_gradient(T* __restrict x, std::int64_t n, T share, std::uint16_t* __restrict out) {
  if (out == nullptr) {
    for (std::int64_t i = 0; i < n; ++i) x[i] *= share;
  } else {
    for (std::int64_t i = 0; i < n; ++i) simd::store(out + i, static_cast<float>(x[i] * share));
  }
}

/// Rows with one: x holds the scaled logits; out <- d · scale, moments <- moments + d · x with d = exp(x - max) ·
/// share.
template <class T>
INGOT_INLINE void scaled_gradient(T* __restrict x, std::int64_t n, T max, T share, const T* __restrict scale,
                                  T* __restrict moments, std::uint16_t* __restrict out) {
  if (moments != nullptr) {
    for (std::int64_t i = 0; i < n; ++i) moments[i] += simd::exp(x[i] - max) * share * x[i];
  }
  if (out == nullptr) {
    for (std::int64_t i = 0; i < n; ++i) x[i] = simd::exp(x[i] - max) * share * scale[i];
  } else {
    for (std::int64_t i = 0; i < n; ++i) {
      simd::store(out + i, static_cast<float>(simd::exp(x[i] - max) * share * scale[i]));
    }
  }
}

template <class T>
INGOT_INLINE void row_gradient(const Chunk<T>& c, const GradientOut& out, T* moments, std::int64_t row) {
  T* const x = c.logits + row * c.stride;
  std::uint16_t* const apart = out.gradient != nullptr ? out.gradient + row * c.stride : nullptr;
  const std::int64_t target = c.targets[row];
  const bool scaled = c.column_scale != nullptr;
  const auto s = scaled ? row_losses<false>(c, row) : row_losses<true>(c, row);
  const T factor = static_cast<T>(out.factor);
  const T share = factor * (1 + 2 * static_cast<T>(c.z_loss) * s.lse) / s.sum;
  T at_target = simd::exp(s.target_logit - s.max) * share - factor;
  if (scaled) {
    scaled_gradient(x, c.vocab, s.max, share, c.column_scale, moments, apart);
    if (moments != nullptr) moments[target] -= factor * s.target_logit;
    at_target *= c.column_scale[target];
  } else {
    plain_gradient(x, c.vocab, share, apart);
  }
  if (apart != nullptr) {
    simd::store(apart + target, static_cast<float>(at_target));
  } else {
    x[target] = at_target;
  }
}

template <class T>
INGOT_INLINE void no_gradient(const Chunk<T>& c, const GradientOut& out, std::int64_t row) {
  no_losses(c, row);
  if (out.gradient != nullptr) {
    std::fill_n(out.gradient + row * c.stride, c.vocab, std::uint16_t(0));
  } else {
    std::fill_n(c.logits + row * c.stride, c.vocab, T(0));
  }
}

template <class T>
INGOT_INLINE void gradient_loop(const Chunk<T>& c, const GradientOut& out, T* moments, std::int64_t begin,
                                std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    if (c.targets[row] < 0) {
      no_gradient(c, out, row);
    } else {
      row_gradient(c, out, moments, row);
    }
  }
}

}  // namespace

void losses(const Chunk<float>& c, std::int64_t begin, std::int64_t end) {
  INGOT_MULTIVERSION(losses_loop(c, begin, end));
}
void losses(const Chunk<double>& c, std::int64_t begin, std::int64_t end) {
  INGOT_MULTIVERSION(losses_loop(c, begin, end));
}
void losses_and_gradient(const Chunk<float>& c, const GradientOut& out, float* moments, std::int64_t begin,
                         std::int64_t end) {
  INGOT_MULTIVERSION(gradient_loop(c, out, moments, begin, end));
}
void losses_and_gradient(const Chunk<double>& c, const GradientOut& out, double* moments, std::int64_t begin,
                         std::int64_t end) {
  INGOT_MULTIVERSION(gradient_loop(c, out, moments, begin, end));
}

}  // namespace ingot::ops::softmax_kernels
