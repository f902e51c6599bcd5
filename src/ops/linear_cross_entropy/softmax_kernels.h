#pragma once
// Cross-entropy of rows of logits, and its gradient. Plain loops on raw arrays, no LibTorch.

#include <cstdint>

namespace ingot::ops::softmax_kernels {

/// A chunk of logits. T is float, or double in tests.
template <class T>
struct Chunk {
  T* logits;  // [rows, stride], of which the first `vocab` columns count
  std::int64_t stride;
  std::int64_t vocab;
  const T* column_scale;        // [vocab] multiplies the logits, or null
  const std::int64_t* targets;  // [rows], -1: no target
  double z_loss;                // weighs lse²
  T* cross_entropy;             // [rows] out: lse - logit of the target, 0 without one
  T* z;                         // [rows] out: z_loss · lse², 0 without target
};

/// Losses of rows [begin, end).
void losses(const Chunk<float>& c, std::int64_t begin, std::int64_t end);
void losses(const Chunk<double>& c, std::int64_t begin, std::int64_t end);

/// The same, and the gradient of `factor` times the sum of both losses:
///   d_v = factor · (softmax_v (1 + 2 z_loss lse) - [v = target]),  0 in rows without target
/// written as d_v · column_scale_v, which is the gradient of the logits before scaling. `gradient` [rows, stride] holds
/// bits of bfloat16; null: it replaces the logits. `moments` [vocab], if not null, is added sum over rows of d_v ·
/// logit_v; only with a column scale.
struct GradientOut {
  double factor = 1;
  std::uint16_t* gradient = nullptr;
};
void losses_and_gradient(const Chunk<float>& c, const GradientOut& out, float* moments, std::int64_t begin,
                         std::int64_t end);
void losses_and_gradient(const Chunk<double>& c, const GradientOut& out, double* moments, std::int64_t begin,
                         std::int64_t end);

}  // namespace ingot::ops::softmax_kernels
