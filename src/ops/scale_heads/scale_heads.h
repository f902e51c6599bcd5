#pragma once
// Heads times one number each.

#include <ATen/core/Tensor.h>

namespace ingot::ops {

/// y = scale x + added, one factor for each head of each token, or for each head. x [B, T, H, P], heads of a token side
/// by side; scale [B, T, H] or [H] in fp32 (fp64 for fp64); added [B, T, H, P] of x's type, or undefined: 0. Computed
/// in the scale's type and rounded once: y has x's type and is contiguous. Differentiable once.
at::Tensor scale_heads(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& added = {});

/// The same in plain ATen calls: any device and floating dtype, differentiable by autograd.
at::Tensor scale_heads_reference(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& added = {});

}  // namespace ingot::ops
