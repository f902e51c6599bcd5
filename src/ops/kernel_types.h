#pragma once
// What the kernels of ops share.

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

#include <cstdint>
#include <initializer_list>
#include <optional>

#include "device/cuda/types.h"

namespace ingot::ops {

/// The type in which kernels sum: fp64 for fp64, else fp32.
inline at::ScalarType wide_type(at::ScalarType type) { return type == at::kDouble ? at::kDouble : at::kFloat; }

/// Whether x is on the CPU in a type that the kernels are compiled for: fp32, fp64, bf16.
inline bool has_cpu_kernel(const at::Tensor& x) {
  const at::ScalarType type = x.scalar_type();
  return x.is_cpu() && (type == at::kDouble || type == at::kFloat || type == at::kBFloat16);
}

/// Whether x is on a GPU in a type that the kernels are compiled for: fp32, bf16.
inline bool has_gpu_kernel(const at::Tensor& x) {
  return x.is_cuda() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}
/// Whether norms of rows of x can be written as `out_type` at once: that of x, or bf16 for fp32.
inline bool can_write(const at::Tensor& x, at::ScalarType out_type) {
  return out_type == x.scalar_type() || (x.scalar_type() == at::kFloat && out_type == at::kBFloat16);
}
inline bool has_kernel(const at::Tensor& x) { return has_cpu_kernel(x) || has_gpu_kernel(x); }

inline GpuType gpu_type(const at::Tensor& x) {
  return x.scalar_type() == at::kFloat ? GpuType::kFloat : GpuType::kBfloat16;
}

/// Below this many elements a loop stays on the calling thread.
inline constexpr std::int64_t kSerialElements = 1 << 14;

/// An absent tensor as torch::autograd::Function wants it.
inline std::optional<at::Tensor> if_defined(const at::Tensor& x) {
  return x.defined() ? std::optional<at::Tensor>(x) : std::nullopt;
}

/// Whether an operation on these has to record its gradient. Undefined tensors need none.
inline bool needs_grad(std::initializer_list<at::Tensor> tensors) {
  if (!at::GradMode::is_enabled()) return false;
  for (const at::Tensor& tensor : tensors) {
    if (tensor.defined() && tensor.requires_grad()) return true;
  }
  return false;
}

/// Elements of x, bfloat16 as std::uint16_t; null if undefined.
template <class T>
T* raw(const at::Tensor& x) {
  return x.defined() ? static_cast<T*>(x.data_ptr()) : nullptr;
}

/// Calls f.template operator()<T, A>() with the element type and the summing type of the kernels for `type`.
template <class F>
void with_kernel_types(at::ScalarType type, F f) {
  if (type == at::kDouble) {
    f.template operator()<double, double>();
  } else if (type == at::kFloat) {
    f.template operator()<float, float>();
  } else {
    f.template operator()<std::uint16_t, float>();
  }
}

}  // namespace ingot::ops
