#pragma once
// Norm of rows by their mean and standard deviation.

#include <ATen/core/Tensor.h>

#include <optional>

namespace ingot::ops {

/// y = gain · (x - mean x) / sqrt(var x + eps) + bias over the last axis, with the biased variance (Ba, Kiros & Hinton
/// 2016, arXiv:1607.06450). x [..., n] in fp32, fp64 or bf16; gain [n]; bias [n] or undefined. Computed in fp32 (fp64
/// for fp64) and rounded once, to `out_type` (x's, or bf16 for fp32; absent: x's). Differentiable once. LibTorch's own
/// where there is no kernel (has_row_norm_kernel).
at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& bias, double eps,
                      std::optional<at::ScalarType> out_type = std::nullopt);

/// The same in plain ATen calls: any device and floating dtype, differentiable by autograd.
at::Tensor layer_norm_reference(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& bias, double eps);

}  // namespace ingot::ops
