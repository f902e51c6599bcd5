#pragma once
// Norms of rows by their root mean square or their length, with an optional gain or gate.

#include <ATen/core/Tensor.h>

#include <optional>

namespace ingot::ops {

/// y = cast(x / sqrt(mean(x²) + eps)) · gain over the last axis (Zhang & Sennrich 2019, eq. 4, eps inside the root).
/// x [..., n] in fp32, fp64 or bf16; gain [n] or undefined. Statistics in fp32 (fp64 for fp64); the normalised value is
/// rounded to x's dtype before the gain, and the product to that of y. y has x's shape, and x's dtype unless `out_type`
/// says bf16 for fp32: what would be cast before a product is then written once. Differentiable once.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& gain, double eps,
                    std::optional<at::ScalarType> out_type = std::nullopt);

/// y = scale · x / sqrt(sum(x²) + eps) over the last axis.
at::Tensor l2_norm(const at::Tensor& x, double eps, double scale = 1.0);

/// y = rms_norm(x · silu(gate)) (Dao & Gu 2024, arXiv:2405.21060, Mamba-2's gated norm: gate first). gate as x.
at::Tensor gated_rms_norm(const at::Tensor& x, const at::Tensor& gate, const at::Tensor& gain, double eps);

/// The same in plain ATen calls: any device and floating dtype, differentiable by autograd.
at::Tensor rms_norm_reference(const at::Tensor& x, const at::Tensor& gain, double eps);
at::Tensor l2_norm_reference(const at::Tensor& x, double eps, double scale = 1.0);
at::Tensor gated_rms_norm_reference(const at::Tensor& x, const at::Tensor& gate, const at::Tensor& gain, double eps);

}  // namespace ingot::ops
