#pragma once
// Products with few rows on the left, such as a step of decoding makes: one pass over the weights.

#include <ATen/core/Tensor.h>

namespace ingot {

/// Whether few_rows_matmul is the best way for a b: fp32 or bf16 on a CPU, a [m, k] of at most 4 rows of unit stride, b
/// [k, n] the transpose of such a matrix. BLAS libraries take these on one thread or by slow general code, oneMKL on
/// AMD's processors by both.
bool suits_few_rows(const at::Tensor& a, const at::Tensor& b);

/// c <- a b, summed in fp32; bits do not depend on the number of threads. c [m, n] with rows of unit stride, fp32 or of
/// their type.
void few_rows_matmul(const at::Tensor& c, const at::Tensor& a, const at::Tensor& b);

}  // namespace ingot
