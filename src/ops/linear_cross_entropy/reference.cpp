#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/logsumexp.h>

#include "ops/linear_cross_entropy/linear_cross_entropy.h"

namespace ingot::ops {

at::Tensor linear_cross_entropy_reference(const at::Tensor& hidden, const LinearHead& head, const at::Tensor& targets,
                                          double z_loss) {
  at::Tensor weight = head.weight.narrow(0, 0, head.vocab_size);
  if (head.normalise_rows) weight = weight / weight.square().sum(1, true).sqrt();
  const auto logits = at::linear(hidden.to(weight.scalar_type()), weight);
  const auto lse = at::logsumexp(logits, 1);
  const auto target_logits = logits.gather(1, targets.clamp_min(0).unsqueeze(1)).squeeze(1);
  const auto losses = lse - target_logits + z_loss * lse.square();
  return (losses * targets.ge(0)).sum();
}

}  // namespace ingot::ops
