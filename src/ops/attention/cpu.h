#pragma once
// Attention on CPUs.

#include "ops/attention/attention.h"

namespace ingot::ops {

/// `attention` for inputs that have a CPU kernel, without a mask. Keeps y and the log-sum-exp of each row for backward.
at::Tensor cpu_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const VisibleKeys& seen,
                         double scale);

}  // namespace ingot::ops
