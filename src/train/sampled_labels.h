#pragma once
// Labels drawn from a model's own predictions, for estimates of its curvature.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "params/head_weights.h"

namespace ingot {

/// Which numbers are drawn: they depend on seed, update, row and position alone, not on how rows are shared out.
struct LabelDraw {
  std::uint64_t seed = 0;
  std::int64_t update = 0;
  std::vector<std::int64_t> rows;  // [B], the global index of each row
};

/// A label for each target [B, T] out of softmax(logits) of the hidden states [B, T, D], -1 where there is no target.
/// No gradients.
at::Tensor sampled_labels(const at::Tensor& hidden, const HeadWeights& head, const at::Tensor& targets,
                          const LabelDraw& draw);

}  // namespace ingot
