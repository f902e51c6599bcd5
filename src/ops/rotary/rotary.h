#pragma once
// Rotation of head pairs by an angle per position (rotary embedding).

#include <ATen/core/Tensor.h>

namespace ingot::ops {

/// Turns the pair (x_i, x_{i+K/2}) of every head by the angle of its token: y_i = x_i cos - x_{i+K/2} sin,
/// y_{i+K/2} = x_{i+K/2} cos + x_i sin. x [B, T, H, K] in any layout, K even; cos, sin [B or 1, T, K/2] in fp32 (fp64
/// for fp64) without gradient. y has x's shape and dtype and is contiguous. Differentiable once.
at::Tensor rotate_half(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);

/// The same in plain ATen calls: any device and floating dtype, differentiable by autograd.
at::Tensor rotate_half_reference(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);

}  // namespace ingot::ops
