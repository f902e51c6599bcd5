#pragma once
// Products that chunked recurrences share.

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ingot::ops {

/// The type of the factors of large products for inputs like x: fp64 for fp64, fp32 for fp32. For bf16: bf16 on GPUs
/// and on CPUs with matrix units, else fp32. Measured on batches of 64x64 products, 2 cores: with AMX bf16 is 1.9 to 4
/// times as fast as fp32; with AVX2 alone 2 to 17 times as slow.
at::ScalarType product_type(const at::Tensor& x);

/// alpha a b for a [n, m, k], b [n, k, p] of the product type, summed and stored in fp32 (fp64 for fp64). CPUs round
/// sums of bf16 factors to bf16 on the way.
at::Tensor wide_bmm(const at::Tensor& a, const at::Tensor& b, double alpha = 1);

}  // namespace ingot::ops
