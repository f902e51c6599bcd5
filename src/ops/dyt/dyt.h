#pragma once
// Dynamic tanh in place of a norm.

#include <ATen/core/Tensor.h>

#include <optional>

namespace ingot::ops {

/// y = gain · tanh(alpha · x) + bias (Zhu et al. 2025, arXiv:2503.10622, algorithm 1). x [..., n] for
/// which has_row_norm_kernel holds; alpha [1]; gain [n]; bias [n] or undefined. Computed in fp32 (fp64 for fp64) and
/// rounded once, to `out_type` (x's, or bf16 for fp32; absent: x's). Differentiable once.
at::Tensor dyt(const at::Tensor& x, const at::Tensor& alpha, const at::Tensor& gain, const at::Tensor& bias,
               std::optional<at::ScalarType> out_type = std::nullopt);

/// The same in plain ATen calls: any device and floating dtype, differentiable by autograd.
at::Tensor dyt_reference(const at::Tensor& x, const at::Tensor& alpha, const at::Tensor& gain, const at::Tensor& bias);

}  // namespace ingot::ops
