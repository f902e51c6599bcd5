#pragma once
// Losses of a chunk of logits and their gradient: CPU kernels, plain tensor operations elsewhere.

#include <ATen/core/Tensor.h>

namespace ingot::ops {

/// Rows that a thread takes at a time; part of the order of additions.
inline constexpr std::int64_t kBlockRows = 16;

struct LogitChunk {
  at::Tensor logits;        // [rows, V] fp32 or fp64, rows of unit stride; overwritten
  at::Tensor column_scale;  // [V] multiplies the logits, or undefined
  at::Tensor targets;       // [rows] int64, -1: none
  double z_loss = 0;
  at::Tensor cross_entropy;  // [rows] out
  at::Tensor z;              // [rows] out, weighted
};

void chunk_losses(const LogitChunk& chunk);

/// The same; then `gradient` [rows, V] <- column_scale ⊙ D with D = factor · d(sum of losses)/d(scaled logits).
/// `gradient` is `chunk.logits` itself or a bf16 tensor of the same strides. `moments` [V], if defined, <- moments +
/// sum_i D_iv logit_iv (with a column scale only).
void chunk_losses_and_gradient(const LogitChunk& chunk, double factor, const at::Tensor& gradient,
                               const at::Tensor& moments);

/// Both in plain ATen calls, for devices without a kernel; `gradient` undefined: losses only.
void chunk_reference(const LogitChunk& chunk, double factor, const at::Tensor& gradient, const at::Tensor& moments);

}  // namespace ingot::ops
