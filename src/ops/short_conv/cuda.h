#pragma once
// CUDA kernels of short_conv.h.

#include <cstdint>

#include "device/cuda/types.h"

extern "C" {

/// x [B, T, C] with unit channel stride; the rest contiguous.
struct IngotCudaConv {
  ingot::GpuType type;
  const void* x;
  std::int64_t batch_stride, row_stride;
  std::int64_t batch, length, channels, taps;
  const float* weight;                         // [taps, C]
  const float* bias;                           // [C] or null
  const void* incoming;                        // [B or 1, taps - 1, C]
  const void* fresh;                           // likewise
  std::int64_t incoming_stride, fresh_stride;  // between batch rows; 0 where all share one
  const std::int64_t* origin;                  // [B, T] or null
  bool silu;
  void* stream;
};

/// The kernels take 2 to this many taps.
inline constexpr std::int64_t kIngotCudaConvMaxTaps = 4;

/// y [B, T, C].
void ingot_cuda_conv_forward(const IngotCudaConv& conv, void* y);

/// Rows of the buffers for partial sums of the parameters' gradients.
std::int64_t ingot_cuda_conv_partials(const IngotCudaConv& conv);
/// Likewise of the tails' gradients.
std::int64_t ingot_cuda_conv_tail_partials(const IngotCudaConv& conv);
/// dy, dx [B, T, C]; dweight_parts [partials, taps, C], dbias_parts [partials, C] or null; dincoming_parts,
/// dfresh_parts [tail partials, B, taps - 1, C]. Every element is written.
struct IngotCudaConvGradients {
  const void* dy;
  void* dx;
  float* dweight_parts;
  float* dbias_parts;
  float* dincoming_parts;
  float* dfresh_parts;
};
void ingot_cuda_conv_backward(const IngotCudaConv& conv, const IngotCudaConvGradients& gradients);
}
