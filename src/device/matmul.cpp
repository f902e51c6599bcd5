#include "device/matmul.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <cstdint>

#include "device/blas.h"
#include "device/blas_factor.h"
#include "device/few_rows.h"
#include "device/machine.h"

// oneMKL's product of bfloat16 bits into fp32, which libtorch_cpu exports on x86-64. Weak: other builds lack it. Sizes
// as 64 bits suit both of MKL's integer widths on this calling convention.
extern "C" __attribute__((weak)) void cblas_gemm_bf16bf16f32(int layout, int transpose_a, int transpose_b,
                                                             std::int64_t m, std::int64_t n, std::int64_t k,
                                                             float alpha, const void* a, std::int64_t lda,
                                                             const void* b, std::int64_t ldb, float beta, float* c,
                                                             std::int64_t ldc);

namespace ingot {
namespace {

thread_local int without_products = 0;

void bf16_matmul(const at::Tensor& c, const at::Tensor& a, const at::Tensor& b, bool accumulate) {
  const BlasFactor left(a), right(b);
  cblas_gemm_bf16bf16f32(BlasFactor::kRowMajor, left.transpose, right.transpose, a.size(0), b.size(1), a.size(1), 1.0f,
                         left.held.const_data_ptr(), left.stride, right.held.const_data_ptr(), right.stride,
                         accumulate ? 1.0f : 0.0f, c.data_ptr<float>(), c.stride(0));
}

/// For factors of c's dtype.
void same_matmul(at::Tensor& c, const at::Tensor& a, const at::Tensor& b, bool accumulate) {
  if (openblas_matmul(c, a, b, accumulate ? 1.0f : 0.0f)) return;
  if (accumulate) {
    at::addmm_out(c, c, a, b);
  } else {
    at::mm_out(c, a, b);
  }
}

/// For bf16 factors that are multiplied as fp32.
bool is_widened(const at::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == at::kBFloat16 && !multiplies_bfloat16();
}

}  // namespace

bool multiplies_bfloat16() {
  static const bool does = has_cpu_feature("avx512_bf16") || has_cpu_feature("amx_bf16") || has_cpu_feature("bf16");
  return does;
}

WithoutProducts::WithoutProducts() { ++without_products; }
WithoutProducts::~WithoutProducts() { --without_products; }

at::Tensor matmul(const at::Tensor& a, const at::Tensor& b) {
  const bool is_few = suits_few_rows(a, b);
  if (is_widened(a) && !is_few) return ingot::matmul(a.to(at::kFloat), b.to(at::kFloat)).to(at::kBFloat16);
  if (without_products > 0) return at::zeros({a.size(0), b.size(1)}, a.options());
  if (!is_few && (!a.is_cpu() || a.scalar_type() != at::kFloat)) return at::mm(a, b);
  auto c = at::empty({a.size(0), b.size(1)}, a.options());
  if (is_few) {
    few_rows_matmul(c, a, b);
  } else {
    same_matmul(c, a, b, /*accumulate=*/false);
  }
  return c;
}

void wide_matmul(at::Tensor c, const at::Tensor& a, const at::Tensor& b, bool accumulate) {
  const bool is_few = !accumulate && suits_few_rows(a, b), is_mixed = a.scalar_type() != c.scalar_type();
  if (is_mixed && !is_few && c.is_cpu() && (is_widened(a) || cblas_gemm_bf16bf16f32 == nullptr)) {
    return wide_matmul(c, a.to(at::kFloat), b.to(at::kFloat), accumulate);
  }
  if (c.numel() == 0 || a.size(1) == 0 || without_products > 0) {
    if (!accumulate) c.zero_();
  } else if (is_few) {
    few_rows_matmul(c, a, b);
  } else if (!is_mixed) {
    same_matmul(c, a, b, accumulate);
  } else if (!c.is_cuda()) {
    bf16_matmul(c, a, b, accumulate);
  } else if (accumulate) {
    at::addmm_out(c, c, a, b, at::kFloat);
  } else {
    at::mm_out(c, a, b, at::kFloat);
  }
}

}  // namespace ingot
