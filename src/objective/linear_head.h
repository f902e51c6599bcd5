#pragma once
// The head and the hidden states as operations take them.

#include "ops/linear_cross_entropy/linear_cross_entropy.h"
#include "params/head_weights.h"

namespace ingot {

ops::LinearHead linear_head(const HeadWeights& head);
/// [B, T, D] -> [B T, D].
inline at::Tensor as_rows(const at::Tensor& hidden) { return hidden.reshape({-1, hidden.size(-1)}); }

}  // namespace ingot
