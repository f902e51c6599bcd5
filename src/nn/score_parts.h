#pragma once
// What scores of unit vectors share.

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>

#include "nn/score.h"
#include "ops/rms_norm/rms_norm.h"
#include "registry/add_entry.h"

namespace ingot::scores {

/// sqrt(K) x / |x| over the last axis; the length is taken to be 1e-12 sqrt(K) at least.
inline at::Tensor root_length(const at::Tensor& x, const at::Tensor& gain = {}) {
  return ops::rms_norm(x, gain, 1e-24);
}

/// Cosine of q [B, 1, H, K] with each of k [B, S, H, K], weighted by channel if w [H, K] is given: [B, S, H, 1].
inline at::Tensor cosine(const at::Tensor& q, const at::Tensor& k, const at::Tensor& w = {}) {
  const at::Tensor lengths = at::linalg_vector_norm(q, 2, -1, true) * at::linalg_vector_norm(k, 2, -1, true);
  const at::Tensor products = w.defined() ? q * k * w : q * k;
  return products.sum(-1, true) / lengths;
}

}  // namespace ingot::scores
