#include "device/blas_factor.h"

namespace ingot {

BlasFactor::BlasFactor(const at::Tensor& matrix) : held(matrix) {
  const auto rows = matrix.size(0), columns = matrix.size(1);
  if (matrix.stride(1) == 1 && matrix.stride(0) >= columns) {
    stride = matrix.stride(0);
  } else if (matrix.stride(0) == 1 && matrix.stride(1) >= rows) {
    transpose = kTransposed;
    stride = matrix.stride(1);
  } else {
    held = matrix.contiguous();
    stride = columns;
  }
}

}  // namespace ingot
