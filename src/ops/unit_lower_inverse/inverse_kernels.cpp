// T = (I + A)^-1 row by row: T_i = e_i - sum over j < i of A_ij T_j. Columns go in blocks that stay in registers over
// the sum; a block starts at its first row, above which T is zero.

#include "ops/unit_lower_inverse/inverse_kernels.h"

#include <algorithm>

#include "device/simd.h"

namespace ingot::ops::inverse_kernels {

namespace {

/// Columns [first, first + kWidth) of T.
template <int kWidth, class T>
INGOT_INLINE void invert_columns(const T* __restrict a, std::int64_t n, std::int64_t first, T* __restrict t) {
  for (std::int64_t i = 0; i < n; ++i) {
    T sum[kWidth];
    for (int c = 0; c < kWidth; ++c) sum[c] = i == first + c ? T(1) : T(0);
    for (std::int64_t j = first; j < i; ++j) {
      const T factor = a[i * n + j];
      const T* row = t + j * n + first;
      for (int c = 0; c < kWidth; ++c) sum[c] -= factor * row[c];
    }
    for (int c = 0; c < kWidth; ++c) t[i * n + first + c] = sum[c];
  }
}

template <class T>
INGOT_INLINE void invert_all(const T* a, std::int64_t stride, std::int64_t n, std::int64_t begin, std::int64_t end,
                             T* out) {
  for (std::int64_t m = begin; m < end; ++m) {
    std::int64_t first = 0;
    for (; first + 16 <= n; first += 16) invert_columns<16>(a + m * stride, n, first, out + m * n * n);
    for (; first < n; ++first) invert_columns<1>(a + m * stride, n, first, out + m * n * n);
  }
}

}  // namespace

void invert(const float* a, std::int64_t stride, std::int64_t size, std::int64_t begin, std::int64_t end, float* out) {
  INGOT_MULTIVERSION(invert_all(a, stride, size, begin, end, out));
}
void invert(const double* a, std::int64_t stride, std::int64_t size, std::int64_t begin, std::int64_t end,
            double* out) {
  INGOT_MULTIVERSION(invert_all(a, stride, size, begin, end, out));
}

}  // namespace ingot::ops::inverse_kernels
