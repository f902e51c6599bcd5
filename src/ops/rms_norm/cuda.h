#pragma once
// CUDA kernels of rms_norm.h; formulas and types as in cpu.h.

#include <cstdint>

#include "device/cuda/types.h"
#include "ops/rows.h"

extern "C" {

struct IngotCudaNorm {
  ingot::GpuType type, out_type;  // of x and gate, of y; out_type is bf16 wherever type is
  const void* x;
  const void* gate;  // or null
  ingot::ops::Rows x_rows, gate_rows;
  const float* gain;  // or null
  float factor, eps, scale;
  void* stream;
};

/// The widest rows that the kernels take, with and without packed access.
bool ingot_cuda_norm_fits(const IngotCudaNorm& norm);
/// y [rows, width] contiguous, r [rows].
void ingot_cuda_norm_forward(const IngotCudaNorm& norm, void* y, float* r);
/// Rows of the buffer for partial sums of the gain's gradient.
std::int64_t ingot_cuda_norm_partials(const IngotCudaNorm& norm);
/// dy, dx, dgate contiguous; dgain_parts [partials, width], every element written, or null.
void ingot_cuda_norm_backward(const IngotCudaNorm& norm, const float* r, const void* dy, void* dx, void* dgate,
                              float* dgain_parts);
}
