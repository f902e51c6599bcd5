#pragma once
// Products of matrices, by the library in use on CPUs (device/blas.h).

#include <ATen/core/Tensor.h>

namespace ingot {

/// Whether this CPU has instructions for bf16 products. Without, they are taken in fp32: as exact, and about as fast.
bool multiplies_bfloat16();

/// While one lives on a thread, the products below are left out there: results are zero, sums get nothing. What is
/// allocated and kept is the same, so that memory can be measured in no time.
class WithoutProducts {
 public:
  WithoutProducts();
  ~WithoutProducts();
  WithoutProducts(const WithoutProducts&) = delete;
  WithoutProducts& operator=(const WithoutProducts&) = delete;
};

/// a b [m, n] in their dtype, summed in fp32 at least. a [m, k] and b [k, n], either may be a transposed view. Records
/// no gradient.
at::Tensor matmul(const at::Tensor& a, const at::Tensor& b);

/// c <- a b, or c <- c + a b. a [m, k] and b [k, n] of one dtype, either may be a transposed view; c [m, n] with rows
/// of unit stride: fp32 for bf16 and fp32 factors, fp64 for fp64. Sums stay in c's dtype throughout: a gradient of many
/// micro-batches loses nothing to bf16. On CPUs bf16 factors use the matrix units, if there are any.
void wide_matmul(at::Tensor c, const at::Tensor& a, const at::Tensor& b, bool accumulate);

}  // namespace ingot
