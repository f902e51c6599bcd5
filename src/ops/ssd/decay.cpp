#include "ops/ssd/decay.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/ones.h>

#include <limits>

#include "ops/kernel_types.h"

namespace ingot::ops {

namespace {

/// exp(b_i - b_j) [B, N, H, C, C], masked before the exponential: what lies above the diagonal would overflow.
at::Tensor decays(const at::Tensor& b, const at::Tensor& visible) {
  const std::int64_t chunk = b.size(3);
  const at::Tensor hidden = visible.defined() ? visible.logical_not().unsqueeze(2)
                                              : at::ones({chunk, chunk}, b.options().dtype(at::kBool)).triu(1);
  return (b.unsqueeze(-1) - b.unsqueeze(-2)).masked_fill_(hidden, -std::numeric_limits<double>::infinity()).exp_();
}

}  // namespace

at::Tensor decayed_scores(const at::Tensor& pairs, const at::Tensor& b, const at::Tensor& visible) {
  const std::int64_t groups = pairs.size(2);
  const at::Tensor by_group = decays(b, visible).unflatten(2, {groups, -1});
  return by_group.mul_(pairs.unsqueeze(3)).flatten(2, 3).to(pairs.scalar_type());
}

DecayedGradients decayed_scores_backward(const at::Tensor& dscores, const at::Tensor& scores, const at::Tensor& b,
                                         const at::Tensor& visible, std::int64_t groups) {
  const at::ScalarType wide = wide_type(b.scalar_type());
  const at::Tensor pairs = (decays(b, visible) * dscores).unflatten(2, {groups, -1}).sum(3).to(scores.scalar_type());
  const at::Tensor along = dscores * scores.to(wide);
  return {pairs, along.sum(-1) - along.sum(-2)};
}

}  // namespace ingot::ops
