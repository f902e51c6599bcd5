#pragma once
// Attention on CPUs.

#include "ops/attention/attention.h"

namespace ingot::ops {

/// `attention` for inputs that have a CPU kernel, without a mask. Keeps y and the log-sum-exp of each row for backward.
at::Tensor cpu_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const VisibleKeys& seen,
                         double scale);

/// Whether cpu_attention_step can take these: one query a row, without documents, a mask or a gradient.
bool suits_cpu_attention_step(const at::Tensor& q, const at::Tensor& k, const VisibleKeys& seen);

/// `attention` for them. Keys are shared out over threads in pieces of a fixed length, whose softmaxes are joined
/// afterwards (Dao et al. 2023, "Flash-Decoding"): bits do not depend on the number of threads. Sums are fp32 (fp64 for
/// fp64).
at::Tensor cpu_attention_step(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const VisibleKeys& seen,
                              double scale);

/// x, or a copy of it whose last axis has stride 1: the kernels take any other strides.
at::Tensor with_unit_rows(const at::Tensor& x);

}  // namespace ingot::ops
