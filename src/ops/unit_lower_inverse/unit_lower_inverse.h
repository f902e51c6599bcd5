#pragma once
// Inverses of unit lower triangular matrices.

#include <ATen/core/Tensor.h>

namespace ingot::ops {

/// (I + strict(A))^-1 for matrices A [..., C, C] in fp32 or fp64, of which only the part below the diagonal is read;
/// contiguous and unit lower triangular. By substitution, row by row: exact to rounding where a series in A would
/// explode. With T the result, dA = -strict(Tᵀ dT Tᵀ).
at::Tensor unit_lower_inverse(const at::Tensor& a);

}  // namespace ingot::ops
