#pragma once
// One token of the linear recurrences, for decoding.

#include <ATen/core/Tensor.h>

namespace ingot::ops {

/// A token for `state_step`. q, k [B, G, dk]; v [B, H, dv], G a divisor of H (head h reads group h / (H/G)).
struct StateToken {
  at::Tensor q, k, v;
  at::Tensor log_decay;  // [B, H], or undefined: none
  at::Tensor beta;       // [B, H], or undefined: v is written as it is
};

/// S <- exp(log_decay) S;  S <- S + k c^T with c = beta (v - S^T k), or v without beta;  y = S^T q.
/// state [B, H, dk, dv], fp32 (fp64 for fp64), moves in place. Returns y [B, H, dv] in the type of v. Records no
/// gradient.
at::Tensor state_step(const StateToken& token, const at::Tensor& state);

}  // namespace ingot::ops
