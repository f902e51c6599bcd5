#include "ops/ssd/scan.h"

#include <ATen/ops/empty_like.h>

namespace ingot::ops {

SsdScan ssd_scan(const SsdScanInputs& in) {
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

}  // namespace ingot::ops
