#pragma once
// State-space duality: a linear recurrence with one decay per head and token.

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "ops/chunk/documents.h"
#include "ops/delta_rule/delta_rule.h"

namespace ingot::ops {

/// S_t = exp(g_t) S_{t-1} + k_t v_tᵀ,  y_t = S_tᵀ q_t   (Dao & Gu 2024, arXiv:2405.21060).
///   q, k [B, T, G, dk]; v [B, T, H, dv], G a divisor of H (head h reads group h / (H/G)); g [B, T, H] <= 0.
///   `documents` undefined: each row is one document, which follows states.incoming. Differentiable in everything, the
///   states included. The state and decays are fp32 (fp64 for fp64), factors of products have the type that
///   ops/chunk/products.h says; only numbers <= 0 are exponentiated.
Recurrence chunk_ssd(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& g,
                     const RecurrentStates& states, const DocumentChunks& documents, std::int64_t chunk);

/// Token by token, in the type of the inputs; origin [B, T] as in documents.h or undefined.
Recurrence ssd_reference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& g,
                         const RecurrentStates& states, const at::Tensor& origin);

}  // namespace ingot::ops
