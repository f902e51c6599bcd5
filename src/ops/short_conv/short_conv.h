#pragma once
// Depthwise causal convolution with few taps, as mixers put it before their recurrence.

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ingot::ops {

/// The tokens before the first ones, oldest first: [B or 1, k-1, C] in x's dtype; undefined: zeros.
struct ConvTails {
  at::Tensor incoming;  // of rows that continue a document
  at::Tensor fresh;     // of documents begun in this call
};

/// y_t = act(sum_j weight[:, j] · x_{t-k+1+j} + bias), the last tap at the current token; taps never reach over a
/// document's start but into its tail.
///   x [B, T, C], any layout with unit channel stride; weight [C, k] and bias [C] (or undefined) in fp32 (fp64 for
///   fp64). origin [B, T] int64: index of the first row of the token's document, -1 for the document that continues
///   `tails.incoming`. Undefined: each row is one document, which follows `tails.incoming`.
///   act is SiLU, or the identity. y has x's dtype, contiguous; sums in fp32 (fp64). Differentiable once, also in the
///   tails.
at::Tensor short_conv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const ConvTails& tails,
                      const at::Tensor& origin, bool silu);

/// The tail after the last token of each row's last document, [B, k-1, C].
at::Tensor short_conv_tail(const at::Tensor& x, std::int64_t taps, const ConvTails& tails, const at::Tensor& origin);

/// The same as short_conv in plain ATen calls: any device and floating dtype, differentiable by autograd.
at::Tensor short_conv_reference(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                const ConvTails& tails, const at::Tensor& origin, bool silu);

}  // namespace ingot::ops
