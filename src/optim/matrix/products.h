#pragma once
// Products of matrices for matrix functions, by the library in use; of symmetric results only one half is multiplied.

#include <ATen/core/Tensor.h>

namespace ingot {

/// a b, [m, n] in one dtype. a [m, k], b [k, n].
at::Tensor product(const at::Tensor& a, const at::Tensor& b);
/// beta c + alpha a b, [m, n] in one dtype. a [m, k], b [k, n], c [m, n].
at::Tensor sum_product(const at::Tensor& c, const at::Tensor& a, const at::Tensor& b, double beta, double alpha);

/// a b for a product that is symmetric, such as x xᵀ or that of two polynomials of one symmetric matrix.
at::Tensor symmetric_product(const at::Tensor& a, const at::Tensor& b);
/// beta c + alpha a b for a symmetric c and such a product.
at::Tensor symmetric_sum_product(const at::Tensor& c, const at::Tensor& a, const at::Tensor& b, double beta,
                                 double alpha);

}  // namespace ingot
