#pragma once
// The delta rule: a linear recurrence that overwrites what a key already points to.

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "ops/chunk/documents.h"

namespace ingot::ops {

struct Recurrence {
  at::Tensor y;      // [B, T, H, dv] in the type of v
  at::Tensor state;  // [B, H, dk, dv] after the last token of each row's last document, fp32 (fp64 for fp64)
};

/// S_t = (I - beta_t k_t k_tᵀ) S_{t-1} + beta_t k_t v_tᵀ,  y_t = S_tᵀ q_t   (Schlag, Irie & Schmidhuber 2021,
/// arXiv:2102.11174; chunked as in Yang et al. 2024, arXiv:2406.06484). q and k are unit vectors (q times its scale)
/// and 0 <= beta <= 1: the inverse inside is tame only then.
///   q, k [B, T, H, dk]; v [B, T, H, dv]; beta [B, T, H]. `documents` undefined: each row is one document, which
///   follows states.incoming. Differentiable in everything, the states included. The state, its sums and the inverse
///   are fp32 (fp64 for fp64); factors of products have the type that ops/chunk/products.h says.
Recurrence chunk_delta_rule(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& beta,
                            const RecurrentStates& states, const DocumentChunks& documents, std::int64_t chunk);

/// Token by token, in the type of the inputs; origin [B, T] as in documents.h or undefined.
Recurrence delta_rule_reference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& beta,
                                const RecurrentStates& states, const at::Tensor& origin);

}  // namespace ingot::ops
