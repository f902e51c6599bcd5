#include "params/singular_values.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

namespace ingot {
namespace {

double rounding(const at::Tensor& matrix) {
  return matrix.scalar_type() == at::kDouble ? std::numeric_limits<double>::epsilon()
                                             : static_cast<double>(std::numeric_limits<float>::epsilon());
}

/// The top eigenvalue of a symmetric tridiagonal matrix, and its eigenvector.
std::pair<double, at::Tensor> top_of(const std::vector<double>& diagonal, const std::vector<double>& beside) {
  const auto k = static_cast<std::int64_t>(diagonal.size());
  at::Tensor t = at::zeros({k, k}, at::kDouble);
  auto entry = t.accessor<double, 2>();
  for (std::int64_t i = 0; i < k; ++i) {
    entry[i][i] = diagonal[static_cast<std::size_t>(i)];
    if (i + 1 < k) entry[i][i + 1] = entry[i + 1][i] = beside[static_cast<std::size_t>(i)];
  }
  const auto [values, vectors] = at::linalg_eigh(t);
  return {values[k - 1].item<double>(), vectors.select(1, k - 1)};
}

/// A unit vector along which the matrix [out, in] is not zero: its longest row.
at::Tensor start_vector(const at::Tensor& matrix) {
  const at::Tensor row =
      matrix.select(0, at::linalg_vector_norm(matrix, 2, at::IntArrayRef{1}).argmax().item<std::int64_t>());
  return row / at::linalg_vector_norm(row).clamp_min(std::numeric_limits<float>::min());
}

/// The top right singular vector of a matrix that is not wider than long.
at::Tensor top_right_vector(const at::Tensor& matrix) {
  constexpr std::int64_t kMost = 300, kBetweenLooks = 4;
  const auto most = std::min(matrix.size(1), kMost);
  const double tolerance = 8 * rounding(matrix);
  at::Tensor basis = at::empty({most, matrix.size(1)}, matrix.options());
  std::vector<double> diagonal, beside;
  at::Tensor next = start_vector(matrix);
  for (std::int64_t k = 1;; ++k) {
    basis.select(0, k - 1).copy_(next);
    const at::Tensor known = basis.narrow(0, 0, k);
    at::Tensor image = matrix.t().mv(matrix.mv(next));
    diagonal.push_back(image.dot(next).item<double>());
    for (int pass = 0; pass < 2; ++pass) image = image - known.t().mv(known.mv(image));
    const double rest = at::linalg_vector_norm(image).item<double>();
    const bool is_last = k == most || rest <= tolerance * diagonal.front();
    if (is_last || k % kBetweenLooks == 0) {
      const auto [value, vector] = top_of(diagonal, beside);
      const double residual = rest * std::abs(vector[k - 1].item<double>());
      if (is_last || residual <= tolerance * value) return known.t().mv(vector.to(matrix.options()));
    }
    beside.push_back(rest);
    next = image / rest;
  }
}

}  // namespace

TopSingular top_singular(const at::Tensor& matrix) {
  if (matrix.size(1) > matrix.size(0)) {
    auto turned = top_singular(matrix.t());
    std::swap(turned.left, turned.right);
    return turned;
  }
  TopSingular top;
  top.right = top_right_vector(matrix);
  top.left = matrix.mv(top.right);
  top.value = at::linalg_vector_norm(top.left).item<double>();
  if (top.value > 0) top.left = top.left / top.value;
  return top;
}

at::Tensor polar_factor(const at::Tensor& matrix) {
  if (matrix.size(1) > matrix.size(0)) return polar_factor(matrix.t()).t();
  const at::Tensor x = matrix.to(at::kDouble);
  const auto [squares, vectors] = at::linalg_eigh(x.t().matmul(x));
  const double least = squares[-1].item<double>() * 1e-15 * static_cast<double>(matrix.size(0));
  const at::Tensor inverse = squares.clamp_min(std::numeric_limits<double>::min()).rsqrt() * squares.gt(least);
  return x.matmul(vectors * inverse).matmul(vectors.t()).to(matrix.scalar_type());
}

at::Tensor odd_polynomial(const at::Tensor& matrix, const std::array<double, 3>& coefficients) {
  if (matrix.size(1) > matrix.size(0)) return odd_polynomial(matrix.t(), coefficients).t();
  const auto& [a, b, c] = coefficients;
  const at::Tensor gram = matrix.t().matmul(matrix);
  at::Tensor factor = b * gram;
  if (c != 0) factor = factor + c * gram.matmul(gram);
  return a * matrix + matrix.matmul(factor);
}

double rms_unit(const at::Tensor& matrix) {
  return std::sqrt(static_cast<double>(matrix.size(0)) / static_cast<double>(matrix.size(1)));
}

void describe(Fields& f, SpectralBound& c) {
  f.field("bound", c.bound, "largest singular value, in units of sqrt(outputs / inputs)", Rule{}.above(0));
}

}  // namespace ingot
