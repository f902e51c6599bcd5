#pragma once
// CUDA kernel of rotary.h.

#include <cstdint>

#include "device/cuda/types.h"

extern "C" {

/// As rotary_cpu::Rotation: tokens `x_stride` elements apart in x, heads side by side.
struct IngotCudaRotation {
  ingot::GpuType type;
  const void* x;
  std::int64_t tokens, x_stride, heads, half;
  const float* cos;  // [angle_rows, half]
  const float* sin;
  std::int64_t angle_rows;
  float sign;  // -1 turns back
  void* y;     // [tokens, heads, 2 half]
  void* stream;
};
void ingot_cuda_rotate(const IngotCudaRotation& rotation);
}
