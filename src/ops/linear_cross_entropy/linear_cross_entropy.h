#pragma once
// Output layer and cross-entropy in one operation: the logits never exist as a whole.

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ingot::ops {

/// logits z_v = s_v W_v · h, or s_v W_v · h / ||W_v|| with `normalise_rows`; s_v = scale_factor · scale_v, or 1 without
/// scale.
struct LinearHead {
  at::Tensor weight;            // [V padded, D] fp32, bf16 or fp64
  at::Tensor weight_grad;       // same shape, fp32 (fp64 for fp64): added to. Undefined: the weight is not trained
  std::int64_t vocab_size = 0;  // rows beyond it are padding: they take no part and get no gradient
  bool normalise_rows = false;
  at::Tensor scale = {};       // [V padded] fp32 (fp64 for fp64), or undefined. A scale of exactly 0 gets no gradient
  at::Tensor scale_grad = {};  // same shape and type: added to wherever weight_grad is
  double scale_factor = 1;
};

/// Sums over the target tokens, scalars in fp32 (fp64 for fp64).
struct LinearCrossEntropySums {
  at::Tensor total;          // cross_entropy + z_loss, with the graph
  at::Tensor cross_entropy;  // sum of lse(z) - z_target, detached
  at::Tensor z_loss;         // sum of z_loss · lse(z)², detached
};

/// hidden [N, D], targets [N] int64 with -1 where there is none; `z_loss` weighs lse². Logits, softmax and sums are
/// fp32; with bf16 weights, factors of products are rounded to bf16, the gradient of the logits among them.
///
/// Works through chunks of rows. With gradients wanted, a chunk's gradients are made right after its loss: that of
/// `hidden` is kept for backward, that of the weight is added to `weight_grad` AT ONCE, for an upstream gradient of 1.
/// Backward with another upstream gradient g runs over the chunks again and adds the missing (g - 1) times (CPU; a GPU
/// asserts g = 1). So a total made with gradients on must be back-propagated exactly once. Differentiable once. Apart
/// from the matrix products, which are LibTorch's, the result does not depend on the number of threads.
LinearCrossEntropySums linear_cross_entropy(const at::Tensor& hidden, const LinearHead& head, const at::Tensor& targets,
                                            double z_loss);

/// Bytes that linear_cross_entropy allocates at most for `rows` rows of width `d_model` with all gradients wanted,
/// `hidden` and weight being of type `dtype`; of `head` only the sizes are read.
std::int64_t linear_cross_entropy_bytes(std::int64_t rows, std::int64_t d_model, const LinearHead& head,
                                        at::ScalarType dtype, bool on_gpu);

/// Cross-entropy of each row without gradients: [N] fp32 (fp64 for fp64), 0 without target.
at::Tensor cross_entropy_of_rows(const at::Tensor& hidden, const LinearHead& head, const at::Tensor& targets);

/// Logits [N, vocab_size] in fp32 (fp64 for fp64), without gradients.
at::Tensor head_logits(const at::Tensor& hidden, const LinearHead& head);

/// linear_cross_entropy().total in plain ATen calls: any device and floating dtype, differentiable in `hidden`,
/// `head.weight` and `head.scale` by autograd, memory for all logits.
at::Tensor linear_cross_entropy_reference(const at::Tensor& hidden, const LinearHead& head, const at::Tensor& targets,
                                          double z_loss);

}  // namespace ingot::ops
