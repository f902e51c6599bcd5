#pragma once
// Softmax attention over grouped heads.

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ingot::ops {

/// Which of S keys T queries see. The queries are the last T tokens of the S; query i is token n = S - T + i.
///   Keys behind the front, j >= front: those of its document, start_i <= j <= n, with n - j < window.
///   Front keys, j < front: they lie right before every document, so those with (n - start_i) + (front - j) < window,
///   or with `front_always` all.
/// Without documents `start` is undefined: all is one document behind the front, start_i = front.
struct VisibleKeys {
  std::int64_t window = 0;    // 0: any distance
  std::int64_t front = 0;     // at most S - T
  bool front_always = false;  // only has a meaning under a window
  at::Tensor start;           // [B or 1, T] int64: first key of the query's document, >= front
  at::Tensor mask;            // if defined it alone counts: additive [B or 1, 1, T, S] of `attention_type`
};

/// The type in which `attention` computes where there is a mask: what that must have.
at::ScalarType attention_type(const at::Tensor& q);

/// Whether `attention` makes a mask of what `seen` says for inputs like q; better made once for many layers. Never on
/// CPUs.
bool attention_needs_mask(const at::Tensor& q, const VisibleKeys& seen);

/// The mask of `seen` for S keys: [B or 1, 1, T, S] of `attention_type(q)`, 0 where a key is seen and -inf where not.
at::Tensor attention_mask(const at::Tensor& q, std::int64_t keys, const VisibleKeys& seen);

/// Positions count within a document; a key is seen iff it belongs to the query's document and
/// 0 <= position_query - position_key < window (no window: any distance), or, with `always`, iff position_key < always.
struct PositionRule {
  std::int64_t window = 0;
  std::int64_t always = 0;
};

/// A mask for what VisibleKeys cannot say: documents that begin at another row of a state in each row of the batch.
/// query_position [B or 1, T], key_position [B or 1, S] int64. same_document [B or 1, T, S] bool, or undefined: all
/// true.
at::Tensor attention_mask(const at::Tensor& query_position, const at::Tensor& key_position,
                          const at::Tensor& same_document, const PositionRule& rule, at::ScalarType type);

/// y = softmax(scale · q kᵀ) v over the visible keys. q [B, T, H, K]; k, v [B, S, H', K], S >= T, H' a divisor of H
/// (query head h reads head h / (H/H')). Every query must see a key. y [B, T, H, K] has q's dtype. Differentiable once.
/// Scores never exist as a whole: on CPUs they are made block by block (Dao et al. 2022, arXiv:2205.14135), fp32 sums
/// for bf16, with bits that do not depend on the number of threads; on GPUs in bf16, where no mask is needed, by
/// FlashAttention-2 (Dao 2023, arXiv:2307.08691) or cuDNN.
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const VisibleKeys& seen,
                     double scale);

/// The same in plain ATen calls, computed in q's dtype.
at::Tensor attention_reference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const VisibleKeys& seen,
                               double scale);

}  // namespace ingot::ops
