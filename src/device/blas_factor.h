#pragma once
// How the matrices of a product lie, in the words of CBLAS.

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ingot {

/// A matrix as BLAS takes it: rows `stride` apart, or the transpose of such a matrix.
struct BlasFactor {
  static constexpr int kRowMajor = 101, kPlain = 111, kTransposed = 112;  // of CBLAS

  explicit BlasFactor(const at::Tensor& matrix);  // copies what lies in neither way

  at::Tensor held;
  int transpose = kPlain;
  std::int64_t stride = 0;
};

}  // namespace ingot
