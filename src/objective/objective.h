#pragma once
// Losses over the hidden states that leave the stack. The sum over target tokens is what backward runs on.

#include <ATen/core/Tensor.h>

#include "params/head_weights.h"

namespace ingot {

/// Values over the micro-batch, fp32 scalars on the device. `total` carries the graph.
struct LossSums {
  at::Tensor total;          // cross_entropy + z_loss, summed over target tokens
  at::Tensor cross_entropy;  // summed, nats, detached
  at::Tensor z_loss;         // summed and weighted, detached
};

/// Cross-entropy of next tokens, in fp32, in chunks of rows so that the logits never exist as a whole; gradients of
/// `hidden` and of the head are made in the same pass. `targets` [B, T] int64, -1 = none. `z_loss` weighs
/// logsumexp(z)^2 (Chowdhery et al. 2022, "PaLM", section 5).
LossSums cross_entropy(const at::Tensor& hidden, const HeadWeights& head, const at::Tensor& targets, double z_loss);

/// Cross-entropy of every position without gradients: fp32 [B, T], 0 where there is no target.
at::Tensor token_losses(const at::Tensor& hidden, const HeadWeights& head, const at::Tensor& targets);

/// fp32 logits [.., V] without padding. For sampling and export only.
at::Tensor logits(const at::Tensor& hidden, const HeadWeights& head);

}  // namespace ingot
