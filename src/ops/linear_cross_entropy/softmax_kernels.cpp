#include "ops/linear_cross_entropy/softmax_kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "device/simd.h"

namespace ingot::ops::softmax_kernels {
namespace {

using simd::kLanes;

constexpr std::int64_t kTile = 256;  // exponentials that are made in one loop before they are summed

template <class T>
INGOT_INLINE T row_max(const T* x, std::int64_t n) {
  T lanes[kLanes];
  for (T& lane : lanes) lane = -std::numeric_limits<T>::infinity();
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
  }
  for (int j = 0; i < n; ++i, ++j) lanes[j] = x[i] > lanes[j] ? x[i] : lanes[j];
  return *std::max_element(lanes, lanes + kLanes);
}

template <class T>
INGOT_INLINE T sum_of_exp(const T* x, std::int64_t n, T max) {
  T lanes[kLanes] = {};
  T tile[kTile];
  for (std::int64_t begin = 0; begin < n; begin += kTile) {
    const std::int64_t count = n - begin < kTile ? n - begin : kTile;
    for (std::int64_t i = 0; i < count; ++i) tile[i] = simd::exp(x[begin + i] - max);
    std::int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
      for (int j = 0; j < kLanes; ++j) lanes[j] += tile[i + j];
    }
    for (int j = 0; i < count; ++i, ++j) lanes[j] += tile[i];
  }
  T sum = 0;
  for (const T lane : lanes) sum += lane;
  return sum;
}

template <class T>
struct RowStatistics {
  T max, sum, lse, target_logit;
};

template <class T>
INGOT_INLINE RowStatistics<T> row_losses(const Chunk<T>& c, std::int64_t row) {
  T* __restrict x = c.logits + row * c.stride;
  if (c.column_scale != nullptr) {
    const T* __restrict scale = c.column_scale;
    for (std::int64_t i = 0; i < c.vocab; ++i) x[i] *= scale[i];
  }
  RowStatistics<T> s;
  s.max = row_max(x, c.vocab);
  s.sum = sum_of_exp(x, c.vocab, s.max);
  s.lse = s.max + std::log(s.sum);
  s.target_logit = x[c.targets[row]];
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
      row_losses(c, row);
    }
  }
}

/// d_v without the target's part: softmax times `share`.
template <class T>
INGOT_INLINE void add_moments(const T* __restrict x, std::int64_t n, T max, T share, T* __restrict moments) {
  for (std::int64_t i = 0; i < n; ++i) moments[i] += simd::exp(x[i] - max) * share * x[i];
}

template <class T>
INGOT_INLINE void gradient_in_place(T* __restrict x, std::int64_t n, T max, T share, const T* __restrict scale) {
  if (scale != nullptr) {
    for (std::int64_t i = 0; i < n; ++i) x[i] = simd::exp(x[i] - max) * share * scale[i];
  } else {
    for (std::int64_t i = 0; i < n; ++i) x[i] = simd::exp(x[i] - max) * share;
  }
}

template <class T>
INGOT_INLINE void gradient_apart(const T* __restrict x, std::int64_t n, T max, T share, const T* __restrict scale,
                                 std::uint16_t* __restrict out) {
  if (scale != nullptr) {
    for (std::int64_t i = 0; i < n; ++i) {
      simd::store(out + i, static_cast<float>(simd::exp(x[i] - max) * share * scale[i]));
    }
  } else {
    for (std::int64_t i = 0; i < n; ++i) simd::store(out + i, static_cast<float>(simd::exp(x[i] - max) * share));
  }
}

template <class T>
INGOT_INLINE void row_gradient(const Chunk<T>& c, const GradientOut& out, T* moments, std::int64_t row) {
  T* x = c.logits + row * c.stride;
  std::uint16_t* apart = out.gradient != nullptr ? out.gradient + row * c.stride : nullptr;
  const std::int64_t target = c.targets[row];
  if (target < 0) {
    no_losses(c, row);
    if (apart != nullptr) {
      std::fill_n(apart, c.vocab, std::uint16_t(0));
    } else {
      std::fill_n(x, c.vocab, T(0));
    }
    return;
  }
  const auto s = row_losses(c, row);
  const T factor = static_cast<T>(out.factor);
  const T share = factor * (1 + 2 * static_cast<T>(c.z_loss) * s.lse) / s.sum;
  const T scale = c.column_scale != nullptr ? c.column_scale[target] : T(1);
  const T at_target = (simd::exp(s.target_logit - s.max) * share - factor) * scale;
  if (moments != nullptr) {
    add_moments(x, c.vocab, s.max, share, moments);
    moments[target] -= factor * s.target_logit;
  }
  if (apart != nullptr) {
    gradient_apart(x, c.vocab, s.max, share, c.column_scale, apart);
    simd::store(apart + target, static_cast<float>(at_target));
  } else {
    gradient_in_place(x, c.vocab, s.max, share, c.column_scale);
    x[target] = at_target;
  }
}

template <class T>
INGOT_INLINE void gradient_loop(const Chunk<T>& c, const GradientOut& out, T* moments, std::int64_t begin,
                                std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) row_gradient(c, out, moments, row);
}

}  // namespace

INGOT_MULTIVERSION void losses(const Chunk<float>& c, std::int64_t begin, std::int64_t end) {
  losses_loop(c, begin, end);
}
INGOT_MULTIVERSION void losses(const Chunk<double>& c, std::int64_t begin, std::int64_t end) {
  losses_loop(c, begin, end);
}
INGOT_MULTIVERSION void losses_and_gradient(const Chunk<float>& c, const GradientOut& out, float* moments,
                                            std::int64_t begin, std::int64_t end) {
  gradient_loop(c, out, moments, begin, end);
}
INGOT_MULTIVERSION void losses_and_gradient(const Chunk<double>& c, const GradientOut& out, double* moments,
                                            std::int64_t begin, std::int64_t end) {
  gradient_loop(c, out, moments, begin, end);
}

}  // namespace ingot::ops::softmax_kernels
