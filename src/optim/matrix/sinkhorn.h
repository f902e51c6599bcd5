#pragma once
// Rows and columns of equal norms.

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ingot {

/// Repeats on x [m, n]: every row scaled to norm sqrt(n), then every column to norm sqrt(m). Norms below 1e-8 count as
/// that, so rows and columns of zeros stay. The result's root mean square is 1.
at::Tensor equal_norms(const at::Tensor& x, std::int64_t iterations);

}  // namespace ingot
