#pragma once
// CPU kernels of unit_lower_inverse.h.

#include <cstdint>

namespace ingot::ops::inverse_kernels {

/// out[m] = (I + strict(a[m]))^-1 for matrices m in [begin, end): a[m] at a + m * stride and out[m] at out + m * size *
/// size, rows of `size` elements one after another.
void invert(const float* a, std::int64_t stride, std::int64_t size, std::int64_t begin, std::int64_t end, float* out);
void invert(const double* a, std::int64_t stride, std::int64_t size, std::int64_t begin, std::int64_t end, double* out);

}  // namespace ingot::ops::inverse_kernels
