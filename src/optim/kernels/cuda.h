#pragma once
// CUDA kernels of update_kernels.h.

#include <cstdint>

#include "optim/kernels/update_kernels.h"

extern "C" {
void ingot_cuda_adam(float* w, const float* g, float* m, float* v, std::int64_t n,
                     const ingot::update_kernels::Adam<float>& constants, void* stream);
/// The sum of x² is that of parts [square_partials(n)].
void ingot_cuda_squares(const float* x, std::int64_t n, double* parts, void* stream);
std::int64_t ingot_cuda_square_partials(std::int64_t n);
/// `b` null: without momentum.
void ingot_cuda_sgd(float* w, const float* g, float* b, std::int64_t n,
                    const ingot::update_kernels::Sgd<float>& constants, void* stream);
}
