#pragma once
// CUDA kernel of unit_lower_inverse.h.

#include <cstdint>

extern "C" {
/// Whether there is a kernel: 16, 32 or 64 rows.
bool ingot_cuda_unit_lower_inverse_fits(std::int64_t size);
/// out[m] = (I + strict(a[m]))^-1, matrices [count, size, size] contiguous.
void ingot_cuda_unit_lower_inverse(const float* a, std::int64_t count, std::int64_t size, float* out, void* stream);
}
