#include "ops/ssd/scan.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>

#include "device/gpu.h"
#include "device/parallel.h"
#include "ops/kernel_types.h"
#include "ops/ssd/cuda.h"
#include "ops/ssd/scan_kernels.h"

namespace ingot::ops {

namespace {

SsdScan cpu_scan(const SsdScanInputs& in) {
  const at::Tensor end = in.start.clone();
  const std::int64_t chunks = in.added.size(1), groups = in.added.size(2), rows = in.added.size(3);
  const std::int64_t heads = in.keep.size(2) / groups, size = in.added.size(4);
  const std::int64_t grain = std::max<std::int64_t>(1, kSerialElements / std::max<std::int64_t>(1, size * chunks));
  with_kernel_types(in.added.scalar_type(), [&]<class Product, class Wide>() {
    const scan_kernels::Scan<Product, Wide> kernel{raw<Product>(in.added),
                                                   raw<Wide>(end),
                                                   raw<Wide>(in.keep),
                                                   raw<Wide>(in.restart),
                                                   raw<Wide>(in.fresh),
                                                   in.reverse,
                                                   {chunks, groups, rows, heads, size / heads}};
    parallel_for(0, in.added.size(0) * groups * rows, grain,
                 [&](std::int64_t begin, std::int64_t last) { kernel.run(begin, last); });
  });
  return {in.added, end};
}

SsdScan gpu_scan(const SsdScanInputs& in) {
  const at::Tensor entered = at::empty_like(in.added), end = at::empty_like(in.start);
  INGOT_GPU_FUNCTION(ingot_cuda_ssd_scan)
  ({in.added.size(0), in.added.size(1), in.added.size(2), in.keep.size(2), in.added.size(3), in.added.size(4),
    raw<void>(in.added), raw<float>(in.start), raw<float>(in.keep), raw<float>(in.restart), raw<float>(in.fresh),
    in.reverse, raw<void>(entered), raw<float>(end), gpu_stream()});
  return {entered, end};
}

/// Whether a thread can have two neighbours of one head.
bool has_gpu_states(const at::Tensor& states, const at::Tensor& factors) {
  return states.is_cuda() && states.scalar_type() == at::kBFloat16 &&
         states.size(4) * states.size(2) / factors.size(2) % 2 == 0;
}

}  // namespace

SsdScan ssd_scan(const SsdScanInputs& in) {
  if (has_cpu_kernel(in.added)) return cpu_scan(in);
  if (has_gpu_states(in.added, in.keep)) return gpu_scan(in);
  const std::int64_t chunks = in.added.size(1), groups = in.added.size(2);
  const std::int64_t per_group = in.keep.size(2) / groups;
  // [..., R dv] -> [..., R, dv], and factors [B, N, H] -> [B, N, G, 1, R, 1].
  const auto by_head = [&](const at::Tensor& x) { return x.unflatten(-1, {per_group, -1}); };
  const auto factors = [&](const at::Tensor& x) { return x.unflatten(2, {groups, 1, per_group}).unsqueeze(-1); };
  const at::Tensor added = by_head(in.added), entered = at::empty_like(in.added), each = by_head(entered);
  const at::Tensor keep = factors(in.keep), end = in.start.clone(), state = by_head(end);
  at::Tensor restart, fresh;
  if (in.restart.defined()) {
    restart = factors(in.restart);
    fresh = by_head(in.fresh);
  }
  for (std::int64_t i = 0; i < chunks; ++i) {
    const std::int64_t n = in.reverse ? chunks - 1 - i : i;
    each.select(1, n).copy_(state);
    state.mul_(keep.select(1, n)).add_(added.select(1, n));
    if (restart.defined()) state.addcmul_(restart.select(1, n), fresh);
  }
  return {entered, end};
}

at::Tensor weighted_states(const at::Tensor& states, const at::Tensor& weight) {
  const std::int64_t groups = states.size(2), per_group = weight.size(2) / groups;
  if (has_gpu_states(states, weight)) {
    const at::Tensor sum = at::empty({states.size(0), groups, states.size(3), states.size(4)}, weight.options());
    INGOT_GPU_FUNCTION(ingot_cuda_weighted_states)
    ({states.size(0), states.size(1), groups, weight.size(2), states.size(3), states.size(4), raw<void>(states),
      raw<float>(weight), raw<float>(sum), gpu_stream()});
    return sum;
  }
  const at::Tensor factors = weight.unflatten(2, {groups, 1, per_group}).unsqueeze(-1);
  return (states.unflatten(-1, {per_group, -1}) * factors).flatten(4).sum(1);
}

}  // namespace ingot::ops
