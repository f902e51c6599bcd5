#include "optim/matrix/norms.h"

#include <ATen/ops/linalg_vector_norm.h>

namespace ingot {

at::Tensor row_norms(const at::Tensor& x) { return at::linalg_vector_norm(x, 2, {1}, true); }

at::Tensor column_norms(const at::Tensor& x) { return at::linalg_vector_norm(x, 2, {0}, true); }

at::Tensor frobenius_norm(const at::Tensor& x) {
  const bool is_matrix = x.dim() == 2;
  return at::linalg_vector_norm(is_matrix ? row_norms(x) : x, 2);
}

at::Tensor mean_of_all(const at::Tensor& x) { return x.mean(1).mean(); }

}  // namespace ingot
