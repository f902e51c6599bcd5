#pragma once
// CUDA kernels of scale_heads.h, as those of cpu.h.

#include <cstdint>

#include "device/cuda/types.h"

extern "C" {

struct IngotCudaScaleHeads {
  ingot::GpuType type;
  const void* x;
  std::int64_t tokens, x_stride, heads, width;
  const float* scale;
  std::int64_t scale_stride;
  void* stream;
};
void ingot_cuda_scale_heads_forward(const IngotCudaScaleHeads& op, const void* added, void* y);
void ingot_cuda_scale_heads_backward(const IngotCudaScaleHeads& op, const void* dy, void* dx, float* dscale);
}
