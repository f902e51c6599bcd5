#include "ops/matmul.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <cstdint>

#include "device/blas.h"
#include "device/blas_factor.h"

// oneMKL's product of bfloat16 bits into fp32, which libtorch_cpu exports on x86-64. Weak: other builds lack it. Sizes as
// 64 bits suit both of MKL's integer widths on this calling convention.
extern "C" __attribute__((weak)) void cblas_gemm_bf16bf16f32(int layout, int transpose_a, int transpose_b,
                                                             std::int64_t m, std::int64_t n, std::int64_t k,
                                                             float alpha, const void* a, std::int64_t lda,
                                                             const void* b, std::int64_t ldb, float beta, float* c,
                                                             std::int64_t ldc);

namespace ingot::ops {
namespace {

void bf16_matmul(const at::Tensor& c, const at::Tensor& a, const at::Tensor& b, bool accumulate) {
  const BlasFactor left(a), right(b);
  cblas_gemm_bf16bf16f32(BlasFactor::kRowMajor, left.transpose, right.transpose, a.size(0), b.size(1), a.size(1), 1.0f,
                         left.held.const_data_ptr(), left.stride, right.held.const_data_ptr(), right.stride,
                         accumulate ? 1.0f : 0.0f, c.data_ptr<float>(), c.stride(0));
}

}  // namespace

at::Tensor matmul(const at::Tensor& a, const at::Tensor& b) {
  if (a.scalar_type() == at::kFloat && a.is_cpu()) {
    auto c = at::empty({a.size(0), b.size(1)}, a.options());
    if (openblas_matmul(c, a, b, /*accumulate=*/false)) return c;
    return at::mm_out(c, a, b);
  }
  return at::mm(a, b);
}

void wide_matmul(at::Tensor c, const at::Tensor& a, const at::Tensor& b, bool accumulate) {
  if (c.numel() == 0 || a.size(1) == 0) {
    if (!accumulate) c.zero_();
    return;
  }
  if (openblas_matmul(c, a, b, accumulate)) return;
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
