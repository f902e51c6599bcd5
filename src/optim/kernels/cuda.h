#pragma once
// CUDA kernels of the gradient norm.

#include <cstdint>

extern "C" {
/// The sum of x² is that of parts [square_partials(n)].
void ingot_cuda_squares(const float* x, std::int64_t n, double* parts, void* stream);
std::int64_t ingot_cuda_square_partials(std::int64_t n);
}
