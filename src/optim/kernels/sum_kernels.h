#pragma once
// Sums over flat arrays in double. No LibTorch here: the loops are compiled for several instruction sets and give the
// same bits on each. The order of additions depends on n only.

#include <cstdint>

namespace ingot::sum_kernels {

struct PairSums {
  double xx = 0, xy = 0, yy = 0;
};

/// Σx², Σxy, Σy².
PairSums pair(const float* x, const float* y, std::int64_t n);
PairSums pair(const double* x, const double* y, std::int64_t n);

/// Σ(a·x + b·y)², the sum in parentheses in the type of x.
double squares(float a, const float* x, float b, const float* y, std::int64_t n);
double squares(double a, const double* x, double b, const double* y, std::int64_t n);

/// Σ x·(y - z).
double along(const float* x, const float* y, const float* z, std::int64_t n);
double along(const double* x, const double* y, const double* z, std::int64_t n);

/// Σ|x|.
double absolute(const float* x, std::int64_t n);
double absolute(const double* x, std::int64_t n);

/// sums[i] += (a·x[i])².
void add_squares(double* sums, float a, const float* x, std::int64_t n);
void add_squares(double* sums, double a, const double* x, std::int64_t n);

}  // namespace ingot::sum_kernels
