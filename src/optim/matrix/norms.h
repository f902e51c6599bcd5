#pragma once
// Norms and means of matrices whose bits do not depend on the number of threads: sums over rows first.

#include <ATen/core/Tensor.h>

namespace ingot {

/// Root of the sum of squares of each row [m, 1], or of each column [1, n], of x [m, n].
at::Tensor row_norms(const at::Tensor& x);
at::Tensor column_norms(const at::Tensor& x);
/// Of all elements of a tensor with one axis or two; a scalar tensor.
at::Tensor frobenius_norm(const at::Tensor& x);
/// Mean of all elements of a matrix; a scalar tensor.
at::Tensor mean_of_all(const at::Tensor& x);

}  // namespace ingot
