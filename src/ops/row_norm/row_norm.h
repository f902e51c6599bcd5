#pragma once
// What norms of rows share: layout, threads, types and the autograd node. An operation brings its kernels.

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

#include "device/gpu.h"
#include "ops/row_norm/cuda.h"
#include "ops/row_norm/kernels.h"

namespace ingot::ops {

/// A norm of rows. It has no state: there is one object for each norm.
struct RowNorm {
  const char* name;
  const row_norm::Kernels& (*kernels)();  // CPU
  row_norm::GpuKernels (*gpu_kernels)();  // INGOT_ROW_NORM_GPU_KERNELS
};

/// A norm, its settings and the type of y.
struct RowNormCall {
  const RowNorm* norm;
  row_norm::Settings settings;
  std::int64_t num_statistics;  // numbers that forward keeps of each row
  at::ScalarType out_type;
};

/// Whether kernels take the rows of x and can write them as `out_type`: fp32, bf16 and on CPUs fp64, in x's type or
/// bf16 for fp32, on GPUs up to some thousands of elements.
bool has_row_norm_kernel(const at::Tensor& x, at::ScalarType out_type);

/// The norm of x's last axis. `has_row_norm_kernel(x, call.out_type)` holds. The gate has x's type, the parameters
/// any; both may be undefined. Differentiable once.
at::Tensor row_norm_of(const RowNormCall& call, const at::Tensor& x, const at::Tensor& gate,
                       std::array<at::Tensor, row_norm::kMaxParameters> parameters);

}  // namespace ingot::ops

/// RowNorm::gpu_kernels of the kernels that INGOT_CUDA_ROW_NORM(name) declares.
#define INGOT_ROW_NORM_GPU_KERNELS(name)                                                                        \
  []() -> ::ingot::ops::row_norm::GpuKernels {                                                                  \
    return {INGOT_GPU_FUNCTION(ingot_cuda_##name##_forward), INGOT_GPU_FUNCTION(ingot_cuda_##name##_backward)}; \
  }
