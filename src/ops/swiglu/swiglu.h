#pragma once
// The gated product of SwiGLU.

#include <ATen/core/Tensor.h>

namespace ingot::ops {

/// y = silu(gate) · up, where x [..., 2n] holds gate in its first half and up in its second. y [..., n] has x's dtype,
/// the product is taken in fp32 (fp64 for fp64). Differentiable once; saves x only.
at::Tensor swiglu(const at::Tensor& x);

/// The same in plain ATen calls: any device and floating dtype, differentiable by autograd.
at::Tensor swiglu_reference(const at::Tensor& x);

}  // namespace ingot::ops
