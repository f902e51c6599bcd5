#pragma once
// CUDA kernels of swiglu.h over contiguous rows [gate | up] of 2n elements.

#include <cstdint>

#include "device/cuda/types.h"

extern "C" {
void ingot_cuda_swiglu_forward(ingot::GpuType type, const void* x, std::int64_t rows, std::int64_t n, void* y,
                               void* stream);
void ingot_cuda_swiglu_backward(ingot::GpuType type, const void* x, const void* dy, std::int64_t rows, std::int64_t n,
                                void* dx, void* stream);
}
