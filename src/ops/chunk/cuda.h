#pragma once
// CUDA kernels of rows.h.

#include <cstdint>

#include "device/cuda/types.h"
#include "ops/chunk/row_kernels.h"

extern "C" {

/// As the kernels of row_kernels.h, over all `batch` rows.
struct IngotCudaRows {
  std::int64_t batch;
  ingot::ops::row_kernels::Extent extent;
  ingot::GpuType row, product;  // types of the rows of the sequence and of the chunked tensors
  void* stream;
};

/// plain = rows, scaled = factor rows.
void ingot_cuda_spread_rows(const IngotCudaRows& shape, const void* rows, const ingot::ops::row_kernels::Place& rows_at,
                            const float* factor, void* plain, const ingot::ops::row_kernels::Place& plain_at,
                            void* scaled, const ingot::ops::row_kernels::Place& scaled_at);
/// rows = factor x + y.
void ingot_cuda_gather_rows(const IngotCudaRows& shape, const void* x, const ingot::ops::row_kernels::Place& x_at,
                            const float* factor, const void* y, const ingot::ops::row_kernels::Place& y_at, void* rows,
                            const ingot::ops::row_kernels::Place& rows_at);
/// out [B, N, C, H] = sum over d of a b.
void ingot_cuda_dot_rows(const IngotCudaRows& shape, const void* a, const ingot::ops::row_kernels::Place& a_at,
                         const void* b, const ingot::ops::row_kernels::Place& b_at, float* out);
}
