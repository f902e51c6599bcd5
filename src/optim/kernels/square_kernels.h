#pragma once
// Sums of squares on flat arrays. No LibTorch here: the loops are compiled for several instruction sets and give the
// same bits on each.

#include <cstdint>

namespace ingot::square_kernels {

/// In double; the order of additions depends on n only.
double sum_of_squares(const float* x, std::int64_t n);
double sum_of_squares(const double* x, std::int64_t n);

}  // namespace ingot::square_kernels
