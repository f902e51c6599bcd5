#include "ops/ssd/decay.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/ones.h>

#include <algorithm>
#include <limits>

#include "device/gpu.h"
#include "device/parallel.h"
#include "ops/kernel_types.h"
#include "ops/ssd/cuda.h"
#include "ops/ssd/decay_kernels.h"

namespace ingot::ops {

namespace {

/// exp(b_i - b_j) [B, N, H, C, C], masked before the exponential: what lies above the diagonal would overflow.
at::Tensor decays(const at::Tensor& b, const at::Tensor& visible) {
  const std::int64_t chunk = b.size(3);
  const at::Tensor hidden = visible.defined() ? visible.logical_not().unsqueeze(2)
                                              : at::ones({chunk, chunk}, b.options().dtype(at::kBool)).triu(1);
  return (b.unsqueeze(-1) - b.unsqueeze(-2)).masked_fill_(hidden, -std::numeric_limits<double>::infinity()).exp_();
}

template <class F>
void for_blocks(std::int64_t blocks, std::int64_t elements, F f) {
  parallel_for(0, blocks, std::max<std::int64_t>(1, kSerialElements / std::max<std::int64_t>(1, elements)), f);
}

bool has_gpu_decay(const at::Tensor& pairs) {
  return pairs.is_cuda() && pairs.scalar_type() == at::kBFloat16 &&
         INGOT_GPU_FUNCTION(ingot_cuda_decay_fits)(pairs.size(-1));
}

IngotCudaDecay gpu_decay(const at::Tensor& b, const at::Tensor& visible, std::int64_t groups) {
  const std::int64_t heads = b.size(2);
  return {b.size(0) * b.size(1) * heads, heads / groups, heads, raw<float>(b), raw<bool>(visible), gpu_stream()};
}

}  // namespace

at::Tensor decayed_scores(const at::Tensor& pairs, const at::Tensor& b, const at::Tensor& visible) {
  const std::int64_t groups = pairs.size(2), chunk = b.size(3);
  if (has_cpu_kernel(pairs)) {
    const at::Tensor scores = at::empty({b.size(0), b.size(1), b.size(2), chunk, chunk}, pairs.options());
    const decay_kernels::Sizes sizes{chunk, b.size(2) / groups, groups};
    with_kernel_types(pairs.scalar_type(), [&]<class Product, class Wide>() {
      const decay_kernels::Forward<Product, Wide> kernel{raw<Product>(pairs), raw<Wide>(b), raw<bool>(visible),
                                                         raw<Product>(scores), sizes};
      for_blocks(b.size(0) * b.size(1) * groups, sizes.heads * chunk * chunk,
                 [&](std::int64_t begin, std::int64_t end) { kernel.run(begin, end); });
    });
    return scores;
  }
  if (has_gpu_decay(pairs)) {
    const at::Tensor scores = at::empty({b.size(0), b.size(1), b.size(2), chunk, chunk}, pairs.options());
    INGOT_GPU_FUNCTION(ingot_cuda_decayed_scores)
    (gpu_decay(b, visible, groups), raw<void>(pairs), raw<void>(scores));
    return scores;
  }
  const at::Tensor by_group = decays(b, visible).unflatten(2, {groups, -1});
  return by_group.mul_(pairs.unsqueeze(3)).flatten(2, 3).to(pairs.scalar_type());
}

DecayedGradients decayed_scores_backward(const at::Tensor& dscores, const at::Tensor& scores, const at::Tensor& b,
                                         const at::Tensor& visible, std::int64_t groups) {
  const at::ScalarType wide = wide_type(b.scalar_type());
  if (has_cpu_kernel(scores)) {
    const std::int64_t chunk = b.size(3), blocks = b.size(0) * b.size(1) * groups;
    const DecayedGradients out{at::empty({b.size(0), b.size(1), groups, chunk, chunk}, scores.options()),
                               at::empty_like(b)};
    const at::Tensor scratch = at::empty({blocks, chunk + 1, chunk}, b.options());
    const decay_kernels::Sizes sizes{chunk, b.size(2) / groups, groups};
    with_kernel_types(scores.scalar_type(), [&]<class Product, class Wide>() {
      const decay_kernels::Backward<Product, Wide> kernel{
          raw<Product>(dscores),   raw<Product>(scores), raw<Wide>(b),       raw<bool>(visible),
          raw<Product>(out.pairs), raw<Wide>(out.b),     raw<Wide>(scratch), sizes};
      for_blocks(blocks, sizes.heads * chunk * chunk,
                 [&](std::int64_t begin, std::int64_t end) { kernel.run(begin, end); });
    });
    return out;
  }
  if (has_gpu_decay(scores)) {
    const DecayedGradients out{
        at::empty({b.size(0), b.size(1), groups, scores.size(3), scores.size(4)}, scores.options()), at::empty_like(b)};
    INGOT_GPU_FUNCTION(ingot_cuda_decayed_scores_backward)
    (gpu_decay(b, visible, groups), raw<void>(dscores), raw<void>(scores), raw<void>(out.pairs), raw<float>(out.b));
    return out;
  }
  const at::Tensor pairs = (decays(b, visible) * dscores).unflatten(2, {groups, -1}).sum(3).to(scores.scalar_type());
  const at::Tensor along = dscores * scores.to(wide);
  return {pairs, along.sum(-1) - along.sum(-2)};
}

}  // namespace ingot::ops
