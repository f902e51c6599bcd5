#pragma once
// y = x W^T with a weight gradient that is added straight into a wide buffer.

#include <ATen/core/Tensor.h>

namespace ingot::ops {

/// x [..., in], weight [out, in] -> [..., out] in the weight's dtype; x is cast to it.
///
/// Backward gives dx = dy W in x's dtype and adds dW = dy^T x into `weight_grad` ([out, in], contiguous, fp32 or wider)
/// without a temporary. Autograd gets an undefined gradient for the weight, so that its accumulation hooks still fire
/// once per backward. Gradients of gradients throw.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& weight_grad);

/// The backward of `linear` by itself: adds dW into `weight_grad` if the weight requires grad, gives dx in x's dtype.
at::Tensor linear_backward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight,
                           const at::Tensor& weight_grad);

}  // namespace ingot::ops
