#pragma once
// Pieces of a computation whose inside is computed again in the backward pass instead of being kept until then.

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace ingot::ops {

/// A differentiable function of `inputs` that gives the same bits each time it is called and outlives the forward pass:
/// it holds no reference to locals. Undefined inputs stay undefined. Parameters that it reads beside the inputs get
/// their gradients as usual.
using Piece = std::function<at::Tensor(const std::vector<at::Tensor>& inputs)>;

/// The same with several outputs, all defined. One that nothing differentiable is made of costs nothing.
using WidePiece = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>& inputs)>;

/// piece(inputs), of which only `inputs` are kept; at least one of them must require grad. The backward pass runs
/// `piece` once more and then its own backward, so that it costs another forward. Chen et al. 2016, arXiv:1604.06174.
at::Tensor recomputed(const Piece& piece, const std::vector<at::Tensor>& inputs);
std::vector<at::Tensor> recomputed(const WidePiece& piece, const std::vector<at::Tensor>& inputs);

/// linear(piece(inputs), weight, weight_grad), keeping `inputs` alone. The product itself is not computed again.
at::Tensor recomputed_linear(const Piece& piece, const std::vector<at::Tensor>& inputs, const at::Tensor& weight,
                             const at::Tensor& weight_grad);

/// Whether a piece is being computed again: running statistics must not count its tokens twice.
bool recomputing();

}  // namespace ingot::ops
