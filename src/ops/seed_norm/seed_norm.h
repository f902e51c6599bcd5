#pragma once
// Norm by the root mean square whose gain moves with the row.

#include <ATen/core/Tensor.h>

#include <optional>

namespace ingot::ops {

/// y = (gain + t · alpha) · x / sqrt(mean x² + eps) over the last axis, t = tanh(<x, beta>) within each of `groups`
/// equal parts of the row (Cai et al. 2025, arXiv:2510.22777). x [..., n] as has_seed_norm_kernel takes it; gain, beta
/// and alpha [n]. Computed in fp32 (fp64 for fp64) and rounded once, to `out_type` (x's, or bf16 for fp32; absent:
/// x's). Differentiable once.
at::Tensor seed_norm(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& beta, const at::Tensor& alpha,
                     std::int64_t groups, double eps, std::optional<at::ScalarType> out_type = std::nullopt);

/// Whether there is a kernel for rows of x: fp32, bf16 and on CPUs fp64; on GPUs for one group.
bool has_seed_norm_kernel(const at::Tensor& x, std::int64_t groups, at::ScalarType out_type);

/// The same in plain ATen calls: any device and floating dtype, differentiable by autograd.
at::Tensor seed_norm_reference(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& beta,
                               const at::Tensor& alpha, std::int64_t groups, double eps);

}  // namespace ingot::ops
