#include "ops/wide_matmul.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>

#include <cstdint>

// oneMKL's product of bfloat16 bits into fp32, which libtorch_cpu exports on x86-64. Weak: other builds lack it. Sizes as
// 64 bits suit both of MKL's integer widths on this calling convention.
extern "C" __attribute__((weak)) void cblas_gemm_bf16bf16f32(int layout, int transpose_a, int transpose_b,
                                                             std::int64_t m, std::int64_t n, std::int64_t k,
                                                             float alpha, const void* a, std::int64_t lda,
                                                             const void* b, std::int64_t ldb, float beta, float* c,
                                                             std::int64_t ldc);

namespace ingot::ops {
namespace {

constexpr int kRowMajor = 101, kNoTranspose = 111, kTranspose = 112;

/// A matrix as BLAS takes it: rows `stride` apart, or the transpose of such a matrix.
struct Factor {
  at::Tensor held;
  int transpose = kNoTranspose;
  std::int64_t stride = 0;
};

Factor factor_of(const at::Tensor& x) {
  const auto rows = x.size(0), columns = x.size(1);
  if (x.stride(1) == 1 && x.stride(0) >= columns) return {x, kNoTranspose, x.stride(0)};
  if (x.stride(0) == 1 && x.stride(1) >= rows) return {x, kTranspose, x.stride(1)};
  return {x.contiguous(), kNoTranspose, columns};
}

void bf16_matmul(const at::Tensor& c, const at::Tensor& a, const at::Tensor& b, bool accumulate) {
  const Factor left = factor_of(a), right = factor_of(b);
  cblas_gemm_bf16bf16f32(kRowMajor, left.transpose, right.transpose, a.size(0), b.size(1), a.size(1), 1.0f,
                         left.held.const_data_ptr(), left.stride, right.held.const_data_ptr(), right.stride,
                         accumulate ? 1.0f : 0.0f, c.data_ptr<float>(), c.stride(0));
}

}  // namespace

void wide_matmul(at::Tensor c, const at::Tensor& a, const at::Tensor& b, bool accumulate) {
  if (c.numel() == 0 || a.size(1) == 0) {
    if (!accumulate) c.zero_();
    return;
  }
  if (a.scalar_type() == at::kBFloat16) {
    if (c.is_cpu() && cblas_gemm_bf16bf16f32 != nullptr) return bf16_matmul(c, a, b, accumulate);
    if (c.is_cuda()) {
      if (accumulate) {
        at::addmm_out(c, c, a, b, at::kFloat);
      } else {
        at::mm_out(c, a, b, at::kFloat);
      }
      return;
    }
    const auto product = at::mm(a.to(at::kFloat), b.to(at::kFloat));
    if (accumulate) {
      c.add_(product);
    } else {
      c.copy_(product);
    }
  } else if (accumulate) {
    at::addmm_out(c, c, a, b);
  } else {
    at::mm_out(c, a, b);
  }
}

}  // namespace ingot::ops
