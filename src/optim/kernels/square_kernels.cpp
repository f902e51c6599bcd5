#include "optim/kernels/square_kernels.h"

#include "device/simd.h"

namespace ingot::square_kernels {
namespace {

template <class T>
INGOT_INLINE double sum_of_squares_loop(const T* x, std::int64_t n) {
  double lanes[simd::kLanes] = {};
  std::int64_t i = 0;
  for (; i + simd::kLanes <= n; i += simd::kLanes) {
    for (int lane = 0; lane < simd::kLanes; ++lane) {
      const double value = x[i + lane];
      lanes[lane] += value * value;
    }
  }
  for (int lane = 0; i < n; ++i, ++lane) {
    const double value = x[i];
    lanes[lane] += value * value;
  }
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

}  // namespace

double sum_of_squares(const float* x, std::int64_t n) { INGOT_MULTIVERSION(sum_of_squares_loop(x, n)); }
double sum_of_squares(const double* x, std::int64_t n) { INGOT_MULTIVERSION(sum_of_squares_loop(x, n)); }

}  // namespace ingot::square_kernels
