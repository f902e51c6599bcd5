// Forward and backward of y = x W^T:
//
//   Y [n, out] = X [n, in] W^T       dX = dY W        dW += dY^T X
//
// n: all leading axes together. dW is the largest result that a step accumulates; as a matrix product with beta = 1
// into the flat gradients it costs no pass of its own and loses no bits between micro-batches.

#include "ops/linear/linear.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <stdexcept>

#include "device/matmul.h"
#include "ops/kernel_types.h"

namespace ingot::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor as_matrix(const at::Tensor& x) { return x.dim() == 2 ? x : x.reshape({-1, x.size(-1)}); }

/// [..., in] -> [..., out].
at::Tensor with_leading_axes(const at::Tensor& matrix, at::IntArrayRef like) {
  if (like.size() == 2) return matrix;
  auto shape = like.vec();
  shape.back() = matrix.size(1);
  return matrix.view(shape);
}

/// sum += dy^T x.
void add_weight_gradient(const at::Tensor& sum, const at::Tensor& dy, const at::Tensor& x) {
  if (sum.scalar_type() == wide_type(x.scalar_type())) {
    wide_matmul(sum, dy.t(), x, /*accumulate=*/true);
  } else {
    sum.add_(ingot::matmul(dy.t(), x));
  }
}

/// dy [n, out] -> dx of the given shape and type.
at::Tensor input_gradient(const at::Tensor& dy, const at::Tensor& weight, at::IntArrayRef shape, at::ScalarType type) {
  return with_leading_axes(ingot::matmul(dy, weight), shape).to(type);
}

struct LinearFunction : torch::autograd::Function<LinearFunction> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& weight_grad) {
    const at::Tensor cast = x.to(weight.scalar_type());
    context->save_for_backward({cast, weight});
    context->saved_data["weight_grad"] = weight_grad;
    context->saved_data["type"] = x.scalar_type();
    context->saved_data["needs_x"] = x.requires_grad();
    context->saved_data["needs_weight"] = weight.requires_grad();
    return with_leading_axes(ingot::matmul(as_matrix(cast), weight.t()), x.sizes());
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    if (at::GradMode::is_enabled()) throw std::logic_error("linear has no gradient of its gradient");
    const auto saved = context->get_saved_variables();
    const at::Tensor dy = as_matrix(grads[0]), &x = saved[0], &weight = saved[1];
    if (context->saved_data["needs_weight"].toBool()) {
      add_weight_gradient(context->saved_data["weight_grad"].toTensor(), dy, as_matrix(x));
    }
    at::Tensor dx;
    if (context->saved_data["needs_x"].toBool()) {
      dx = input_gradient(dy, weight, x.sizes(), context->saved_data["type"].toScalarType());
    }
    return {dx, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& weight_grad) {
  if (!at::GradMode::is_enabled() || !(x.requires_grad() || weight.requires_grad())) {
    return with_leading_axes(ingot::matmul(as_matrix(x.to(weight.scalar_type())), weight.t()), x.sizes());
  }
  return LinearFunction::apply(x, weight, weight_grad);
}

at::Tensor linear_backward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight,
                           const at::Tensor& weight_grad) {
  const at::Tensor rows = as_matrix(dy);
  if (weight.requires_grad()) add_weight_gradient(weight_grad, rows, as_matrix(x.to(weight.scalar_type())));
  return input_gradient(rows, weight, x.sizes(), x.scalar_type());
}

}  // namespace ingot::ops
