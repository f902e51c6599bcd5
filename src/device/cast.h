#pragma once
// Rounding of many numbers to a narrower type.

#include <ATen/core/Tensor.h>

namespace ingot {

/// Writes `from` to `to`, of the same shape, rounded to nearest even. fp32 to bf16 on the CPU, both contiguous, is one pass
/// at the speed of memory; anything else is LibTorch's copy.
void cast_into(const at::Tensor& to, const at::Tensor& from);

}  // namespace ingot
