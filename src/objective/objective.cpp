#include "objective/objective.h"

#include "objective/linear_head.h"

namespace ingot {

ops::LinearHead linear_head(const HeadWeights& head) {
  ops::LinearHead out = {head.weight.weight(), head.weight.grad(), head.vocab_size, head.normalise_rows};
  if (head.scale) {
    out.scale = head.scale.weight();
    out.scale_grad = head.scale.grad();
    out.scale_factor = head.scale_factor;
  }
  return out;
}

at::Tensor token_losses(const at::Tensor& hidden, const HeadWeights& head, const at::Tensor& targets) {
  return ops::cross_entropy_of_rows(as_rows(hidden), linear_head(head), targets.reshape({-1})).view(targets.sizes());
}

at::Tensor logits(const at::Tensor& hidden, const HeadWeights& head) {
  auto shape = hidden.sizes().vec();
  shape.back() = head.vocab_size;
  return ops::head_logits(as_rows(hidden), linear_head(head)).view(shape);
}

}  // namespace ingot
