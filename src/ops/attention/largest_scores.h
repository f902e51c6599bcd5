#pragma once
// How large the scores of an attention are.

#include "ops/attention/attention.h"

namespace ingot::ops {

/// The largest scale · q kᵀ of each head over the batch and the visible keys, [H] in `attention_type`, without a
/// gradient. Arguments as for `attention`. Costs about as much as its scores, made block by block.
at::Tensor largest_scores(const at::Tensor& q, const at::Tensor& k, const VisibleKeys& seen, double scale);

}  // namespace ingot::ops
