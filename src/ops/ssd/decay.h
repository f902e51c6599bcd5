#pragma once
// Scores of pairs of tokens, decayed between the two.

#include <ATen/core/Tensor.h>

namespace ingot::ops {

/// D_ij = pairs_ij exp(b_i - b_j) for visible pairs, else 0.
///   pairs [B, N, G, C, C], shared by the H / G heads of a group; b [B, N, H, C] fp32 (fp64 for fp64), not increasing
///   along C; visible [B, N, C, C] bool, undefined: j <= i. Returns [B, N, H, C, C] of the type of `pairs`, contiguous
///   like all.
at::Tensor decayed_scores(const at::Tensor& pairs, const at::Tensor& b, const at::Tensor& visible);

struct DecayedGradients {
  at::Tensor pairs;  // [B, N, G, C, C] of the type of the given pairs, summed over a group's heads
  at::Tensor b;      // [B, N, H, C] fp32 (fp64 for fp64)
};

/// From `scores`, what decayed_scores gave, and their gradient, of the same type.
DecayedGradients decayed_scores_backward(const at::Tensor& dscores, const at::Tensor& scores, const at::Tensor& b,
                                         const at::Tensor& visible, std::int64_t groups);

}  // namespace ingot::ops
