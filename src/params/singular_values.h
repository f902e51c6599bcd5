#pragma once
// Singular values of weights [out, in], as constraints use them.

#include <ATen/core/Tensor.h>

#include <array>

#include "config/fields.h"

namespace ingot {

/// The largest singular value with its vectors, up to rounding in the matrix's type; both vectors are zero for a matrix
/// of zeros. By the Lanczos process on the smaller Gram matrix, with all its vectors kept orthogonal, until the
/// residual is rounding: a few dozen products with the matrix, and exact at the latest after as many as it has singular
/// values.
struct TopSingular {
  double value = 0;
  at::Tensor left, right;  // [out], [in]
};
TopSingular top_singular(const at::Tensor& matrix);

/// U V^T of the singular value decomposition U S V^T; directions of singular values below rounding are left out. In
/// fp64 by the eigenvectors of the smaller Gram matrix.
at::Tensor polar_factor(const at::Tensor& matrix);

/// X <- a·X + b·X(XᵀX) + c·X(XᵀX)², which maps every singular value x to a·x + b·x³ + c·x⁵.
at::Tensor odd_polynomial(const at::Tensor& matrix, const std::array<double, 3>& coefficients);

/// sqrt(out / in): the singular value at which a matrix keeps the root of the mean square of its input. Bounds of
/// spectral constraints are in units of it. Newhouse et al. 2025, arXiv:2507.13338, section 2.
double rms_unit(const at::Tensor& matrix);

/// The bound that spectral constraints share.
struct SpectralBound {
  double bound = 1;
};
void describe(Fields& f, SpectralBound& c);

}  // namespace ingot
