#pragma once
// Softmax attention over grouped heads.

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ingot::ops {

/// Which keys a query sees. Positions count within a document; a key is seen iff it belongs to the query's document and
/// 0 <= position_query - position_key < window (no window: any distance), or, with `always`, iff position_key < always.
struct KeyRule {
  std::int64_t window = 0;  // 0: no window
  std::int64_t always = 0;  // keys at positions below this are seen from any distance
};

/// Additive mask [B or 1, 1, T, S] of `type`, 0 where a key is seen and -inf where not. query_position [B or 1, T],
/// key_position [B or 1, S] int64. same_document [B or 1, T, S] bool, or undefined: all true.
at::Tensor attention_mask(const at::Tensor& query_position, const at::Tensor& key_position,
                          const at::Tensor& same_document, const KeyRule& rule, at::ScalarType type);

/// The type in which `attention` computes for inputs of `type`: what its mask must have.
at::ScalarType attention_type(const at::Tensor& q);

/// y = softmax(scale · q kᵀ + mask) v. q [B, T, H, K]; k, v [B, S, H', K], S >= T, H' a divisor of H (query head h reads head
/// h / (H/H')). mask as above, or undefined: queries are the last of the S tokens, query i sees key j iff
/// 0 <= i + (S - T) - j < window (window 0: any distance). Every query must see a key. y [B, T, H, K] has q's dtype.
/// Differentiable. On GPUs in bf16 without a mask neither scores nor a mask exist as a whole (FlashAttention-2, Dao 2023,
/// arXiv:2307.08691).
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& mask,
                     double scale, std::int64_t window = 0);

/// The same in plain ATen calls, computed in q's dtype.
at::Tensor attention_reference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& mask,
                               double scale, std::int64_t window = 0);

}  // namespace ingot::ops
