#include <ATen/TensorOperators.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/logsumexp.h>

#include "ops/linear_cross_entropy/chunk.h"
#include "ops/linear_cross_entropy/linear_cross_entropy.h"

namespace ingot::ops {

at::Tensor linear_cross_entropy_reference(const at::Tensor& hidden, const LinearHead& head, const at::Tensor& targets,
                                          double z_loss) {
  at::Tensor weight = head.weight.narrow(0, 0, head.vocab_size);
  if (head.normalise_rows) weight = weight / weight.square().sum(1, true).sqrt();
  auto logits = at::linear(hidden.to(weight.scalar_type()), weight);
  if (head.scale.defined()) logits = logits * (head.scale.narrow(0, 0, head.vocab_size) * head.scale_factor);
  const auto lse = at::logsumexp(logits, 1);
  const auto target_logits = logits.gather(1, targets.clamp_min(0).unsqueeze(1)).squeeze(1);
  const auto losses = lse - target_logits + z_loss * lse.square();
  return (losses * targets.ge(0)).sum();
}

void chunk_reference(const LogitChunk& chunk, double factor, const at::Tensor& gradient, const at::Tensor& moments) {
  at::Tensor logits = chunk.logits, cross_entropy = chunk.cross_entropy, z = chunk.z;
  if (chunk.column_scale.defined()) logits.mul_(chunk.column_scale);
  const auto has_target = chunk.targets.ge(0).unsqueeze(1).to(logits.scalar_type());
  const auto target = chunk.targets.clamp_min(0).unsqueeze(1);
  const auto lse = at::logsumexp(logits, {1}, true);
  cross_entropy.copy_(((lse - logits.gather(1, target)) * has_target).squeeze(1));
  z.copy_((chunk.z_loss * lse.square() * has_target).squeeze(1));
  if (!gradient.defined()) return;

  auto d = at::exp(logits - lse) * (1 + 2 * chunk.z_loss * lse);
  d.scatter_add_(1, target, -has_target).mul_(has_target * factor);
  if (moments.defined()) at::Tensor(moments).add_((d * logits).sum(0));
  if (chunk.column_scale.defined()) d.mul_(chunk.column_scale);
  at::Tensor(gradient).copy_(d);
}

}  // namespace ingot::ops
