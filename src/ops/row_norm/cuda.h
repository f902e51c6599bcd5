#pragma once
// CUDA kernels of norms of rows; formulas and types as in the CPU kernels beside them.

#include <cstdint>

#include "device/cuda/types.h"
#include "ops/rows.h"

extern "C" {

/// One pass over rows. Parameters are fp32 and may be null; those of one number are a parameter of all rows' elements.
struct IngotCudaRowNorm {
  ingot::GpuType type, out_type;  // of x and gate, of y; out_type is bf16 wherever type is
  const void* x;
  const void* gate;  // or null
  ingot::ops::Rows x_rows, gate_rows;
  const float* parameters[3];
  std::int64_t lengths[3];  // numbers of each parameter, 0 or 1 or the width
  std::int64_t num_statistics;
  float eps, factor, scale;
  void* stream;
};

/// Whether a thread can keep its part of such a row in registers.
bool ingot_cuda_row_norm_fits(const IngotCudaRowNorm& norm);
/// Rows of the buffer for partial sums of the parameters' gradients.
std::int64_t ingot_cuda_row_norm_partials(const IngotCudaRowNorm& norm);
}

namespace ingot::ops::row_norm {

/// The kernels of one norm. All buffers are contiguous and wholly written: y [rows, width], statistics [rows,
/// num_statistics], dy, dx, dgate, parts [partials, sum of lengths], which is null where there is no parameter.
struct GpuKernels {
  void (*forward)(const IngotCudaRowNorm& norm, void* y, float* statistics);
  void (*backward)(const IngotCudaRowNorm& norm, const float* statistics, const void* dy, void* dx, void* dgate,
                   float* parts);
};

}  // namespace ingot::ops::row_norm

/// Declares the kernels of a norm, which INGOT_CUDA_ROW_NORM_KERNELS in its cuda.cu defines.
#define INGOT_CUDA_ROW_NORM(name)                                                                                     \
  extern "C" void ingot_cuda_##name##_forward(const IngotCudaRowNorm& norm, void* y, float* statistics);              \
  extern "C" void ingot_cuda_##name##_backward(const IngotCudaRowNorm& norm, const float* statistics, const void* dy, \
                                               void* dx, void* dgate, float* parts);
