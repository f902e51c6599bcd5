// Forward and backward of y = x W^T:
//
//   Y [n, out] = X [n, in] W^T       dX = dY W        dW += dY^T X
//
// n: all leading axes together. dW is the largest result that a step accumulates; as a matrix product with beta = 1 into
// the flat gradients it costs no pass of its own and loses no bits between micro-batches.

#include "ops/linear/linear.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/mm.h>
#include <torch/csrc/autograd/custom_function.h>

#include <stdexcept>

extern "C" {
/// MKL's product of bf16 matrices into fp32, exported by libtorch_cpu on x86-64; null elsewhere.
void cblas_gemm_bf16bf16f32(int layout, int trans_a, int trans_b, std::int64_t m, std::int64_t n, std::int64_t k,
                            float alpha, const void* a, std::int64_t lda, const void* b, std::int64_t ldb, float beta,
                            float* c, std::int64_t ldc) __attribute__((weak));
}

namespace ingot::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int kRowMajor = 101, kNoTranspose = 111, kTranspose = 112;

at::Tensor as_matrix(const at::Tensor& x) { return x.dim() == 2 ? x : x.reshape({-1, x.size(-1)}); }

/// [..., in] -> [..., out].
at::Tensor with_leading_axes(const at::Tensor& matrix, at::IntArrayRef like) {
  if (like.size() == 2) return matrix;
  auto shape = like.vec();
  shape.back() = matrix.size(1);
  return matrix.view(shape);
}

/// Rows that a BLAS can walk: unit stride within, not overlapping.
at::Tensor as_rows(const at::Tensor& x) { return x.stride(1) == 1 && x.stride(0) >= x.size(1) ? x : x.contiguous(); }

struct LinearFunction : torch::autograd::Function<LinearFunction> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& weight_grad) {
    const at::Tensor cast = x.to(weight.scalar_type());
    context->save_for_backward({cast, weight});
    context->saved_data["weight_grad"] = weight_grad;
    context->saved_data["type"] = x.scalar_type();
    context->saved_data["needs_x"] = x.requires_grad();
    context->saved_data["needs_weight"] = weight.requires_grad();
    return with_leading_axes(at::mm(as_matrix(cast), weight.t()), x.sizes());
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    if (at::GradMode::is_enabled()) throw std::logic_error("linear has no gradient of its gradient");
    const auto saved = context->get_saved_variables();
    const at::Tensor dy = as_matrix(grads[0]);
    at::Tensor dx;
    if (context->saved_data["needs_weight"].toBool()) {
      add_weight_gradient(dy, as_matrix(saved[0]), context->saved_data["weight_grad"].toTensor());
    }
    if (context->saved_data["needs_x"].toBool()) {
      dx = with_leading_axes(at::mm(dy, saved[1]), saved[0].sizes()).to(context->saved_data["type"].toScalarType());
    }
    return {dx, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& weight_grad) {
  if (!at::GradMode::is_enabled() || !(x.requires_grad() || weight.requires_grad())) {
    return with_leading_axes(at::mm(as_matrix(x.to(weight.scalar_type())), weight.t()), x.sizes());
  }
  return LinearFunction::apply(x, weight, weight_grad);
}

void add_weight_gradient(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight_grad) {
  if (dy.size(0) == 0) return;
  at::Tensor sum = weight_grad;
  const at::ScalarType type = x.scalar_type();
  if (type == sum.scalar_type()) {
    sum.addmm_(dy.t(), x);
    return;
  }
  const bool has_product = x.is_cpu() && type == at::kBFloat16 && dy.scalar_type() == type &&
                           sum.scalar_type() == at::kFloat && sum.is_contiguous() && cblas_gemm_bf16bf16f32 != nullptr;
  if (!has_product) {
    sum.add_(at::mm(dy.t(), x));
    return;
  }
  const at::Tensor a = as_rows(dy), b = as_rows(x);
  cblas_gemm_bf16bf16f32(kRowMajor, kTranspose, kNoTranspose, a.size(1), b.size(1), a.size(0), 1.0f, a.const_data_ptr(),
                         a.stride(0), b.const_data_ptr(), b.stride(0), 1.0f, sum.mutable_data_ptr<float>(),
                         sum.size(1));
}

}  // namespace ingot::ops
