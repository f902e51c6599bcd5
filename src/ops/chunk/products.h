#pragma once
// Layouts and products that chunked recurrences share.

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ingot::ops {

/// The type of the factors of large products for inputs like x: fp64 for fp64, fp32 for fp32. For bf16: bf16 on GPUs and on
/// CPUs with matrix units, else fp32. Measured on batches of 64x64 products, 2 cores: with AMX bf16 is 1.9 to 4 times as fast
/// as fp32; without it 3 to 20 times as slow.
at::ScalarType product_type(const at::Tensor& x);

/// alpha a b for a [n, m, k], b [n, k, p] of the product type, summed and stored in fp32 (fp64 for fp64). CPUs round
/// sums of bf16 factors to bf16 on the way.
at::Tensor wide_bmm(const at::Tensor& a, const at::Tensor& b, double alpha = 1);

/// [B, T, H, d] -> contiguous [N, B, H, C, d] of `type`, filled up with zeros. A chunk's rows of one head lie together, and so
/// do the matrices of all heads of one chunk.
at::Tensor head_chunks(const at::Tensor& rows, std::int64_t chunk, at::ScalarType type);
/// The same into `out` [N, B, H, C, d], which may be a view.
void copy_head_chunks(const at::Tensor& out, const at::Tensor& rows);
/// [N, B, H, C, d] -> contiguous [B, T, H, d] of `type`.
at::Tensor from_head_chunks(const at::Tensor& x, std::int64_t length, at::ScalarType type);

}  // namespace ingot::ops
