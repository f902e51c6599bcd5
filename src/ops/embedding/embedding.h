#pragma once
// Rows of a table by index, with a gradient that is added straight into a wide buffer.

#include <ATen/core/Tensor.h>

namespace ingot::ops {

/// ids [...] int64, weight [V, D] -> [..., D] in the weight's dtype. Throws on an id outside 0..V-1.
///
/// Backward adds row by row into `weight_grad` ([V, D], contiguous, fp32 or wider), on a CPU in the order of the ids
/// for every element: the same bits for any number of threads. Autograd gets an undefined gradient for the weight, so
/// that its accumulation hooks still fire. Gradients of gradients throw.
at::Tensor embedding(const at::Tensor& ids, const at::Tensor& weight, const at::Tensor& weight_grad);

}  // namespace ingot::ops
