#pragma once
// Rows of a sequence to rows of chunks and back, each in one pass.

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ingot::ops {

/// Views of chunked tensors as [B, N, C, G, R, d], heads H = G R: where each row lies, whatever the layout.
at::Tensor rows_of_heads(const at::Tensor& x);                       // of [N, B, H, C, d], G = H and R = 1; any strides
at::Tensor rows_of_groups(const at::Tensor& x, std::int64_t heads);  // of [B, N, G, C, R d]
at::Tensor rows_of_groups_apart(const at::Tensor& x, std::int64_t groups);  // of [B, N, H, C, d]

/// plain = rows and scaled = factor rows, past the length zero; either may be undefined.
///   rows [B, T, H, d]; factor [B, N, C, H] contiguous in fp32 (fp64 for fp64); plain, scaled views as above, of one
///   type.
void spread_rows(const at::Tensor& rows, const at::Tensor& factor, const at::Tensor& plain, const at::Tensor& scaled);

/// factor x + y as contiguous [B, T, H, d] of `type`. x, y views as above; factor (1) and y (0) may be undefined.
at::Tensor gather_rows(const at::Tensor& x, const at::Tensor& factor, const at::Tensor& y, std::int64_t length,
                       at::ScalarType type);

/// out = factor x + y, all views as above; out has the memory of one of the others or its own. y undefined: 0.
void combine_rows(const at::Tensor& x, const at::Tensor& factor, const at::Tensor& y, const at::Tensor& out);

/// Sums over d of a b, for views as above: [B, N, C, H] in fp32 (fp64 for fp64).
at::Tensor dot_rows(const at::Tensor& a, const at::Tensor& b);

}  // namespace ingot::ops
