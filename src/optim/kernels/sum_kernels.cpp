#include "optim/kernels/sum_kernels.h"

#include "device/simd.h"

namespace ingot::sum_kernels {
namespace {

template <class T>
INGOT_INLINE PairSums pair_loop(const T* x, const T* y, std::int64_t n) {
  double xx[simd::kLanes] = {}, xy[simd::kLanes] = {}, yy[simd::kLanes] = {};
  const auto add = [&](std::int64_t i, int lane) INGOT_INLINE_LAMBDA {
    const double a = x[i], b = y[i];
    xx[lane] += a * a;
    xy[lane] += a * b;
    yy[lane] += b * b;
  };
  std::int64_t i = 0;
  for (; i + simd::kLanes <= n; i += simd::kLanes) {
    for (int lane = 0; lane < simd::kLanes; ++lane) add(i + lane, lane);
  }
  for (int lane = 0; i < n; ++i, ++lane) add(i, lane);
  return {simd::total(xx), simd::total(xy), simd::total(yy)};
}

template <class T>
INGOT_INLINE double squares_loop(T a, const T* x, T b, const T* y, std::int64_t n) {
  return simd::lane_sum<double>(n, [&](std::int64_t i) INGOT_INLINE_LAMBDA {
    const double value = a * x[i] + b * y[i];
    return value * value;
  });
}

template <class T>
INGOT_INLINE double along_loop(const T* x, const T* y, const T* z, std::int64_t n) {
  return simd::lane_sum<double>(n, [&](std::int64_t i) INGOT_INLINE_LAMBDA {
    return static_cast<double>(x[i]) * static_cast<double>(y[i] - z[i]);
  });
}

template <class T>
INGOT_INLINE double absolute_loop(const T* x, std::int64_t n) {
  return simd::lane_sum<double>(
      n, [&](std::int64_t i) INGOT_INLINE_LAMBDA { return static_cast<double>(x[i] < 0 ? -x[i] : x[i]); });
}

template <class T>
INGOT_INLINE void add_squares_loop(double* __restrict sums, T a, const T* __restrict x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const double value = a * x[i];
    sums[i] += value * value;
  }
}

}  // namespace

PairSums pair(const float* x, const float* y, std::int64_t n) { INGOT_MULTIVERSION(pair_loop(x, y, n)); }
PairSums pair(const double* x, const double* y, std::int64_t n) { INGOT_MULTIVERSION(pair_loop(x, y, n)); }
double squares(float a, const float* x, float b, const float* y, std::int64_t n) {
  INGOT_MULTIVERSION(squares_loop(a, x, b, y, n));
}
double squares(double a, const double* x, double b, const double* y, std::int64_t n) {
  INGOT_MULTIVERSION(squares_loop(a, x, b, y, n));
}
double along(const float* x, const float* y, const float* z, std::int64_t n) {
  INGOT_MULTIVERSION(along_loop(x, y, z, n));
}
double along(const double* x, const double* y, const double* z, std::int64_t n) {
  INGOT_MULTIVERSION(along_loop(x, y, z, n));
}
double absolute(const float* x, std::int64_t n) { INGOT_MULTIVERSION(absolute_loop(x, n)); }
double absolute(const double* x, std::int64_t n) { INGOT_MULTIVERSION(absolute_loop(x, n)); }
void add_squares(double* sums, float a, const float* x, std::int64_t n) {
  INGOT_MULTIVERSION(add_squares_loop(sums, a, x, n));
}
void add_squares(double* sums, double a, const double* x, std::int64_t n) {
  INGOT_MULTIVERSION(add_squares_loop(sums, a, x, n));
}

}  // namespace ingot::sum_kernels
