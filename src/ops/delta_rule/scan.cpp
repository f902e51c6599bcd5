#include "ops/delta_rule/scan.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "device/gpu.h"
#include "ops/chunk/products.h"
#include "ops/delta_rule/cuda.h"
#include "ops/kernel_types.h"

namespace ingot::ops {

namespace {

/// [N, B, H, r, c] -> [N, B H, r, c].
at::Tensor by_chunk(const at::Tensor& x) { return x.defined() ? x.flatten(1, 2) : x; }

bool has_gpu_scan(const DeltaScanInputs& in) {
  return in.read.is_cuda() && in.read.scalar_type() == at::kBFloat16 &&
         INGOT_GPU_FUNCTION(ingot_cuda_delta_scan_fits)(in.read.size(3), in.read.size(4), in.value.size(4));
}

DeltaScan gpu_scan(const DeltaScanInputs& in) {
  const std::int64_t chunks = in.read.size(0), batch = in.read.size(1), heads = in.read.size(2);
  const std::int64_t dk = in.read.size(4), dv = in.value.size(4);
  const at::Tensor entered = at::empty({chunks, batch, heads, dk, dv}, in.value.options());
  const at::Tensor end = at::empty_like(in.start);
  INGOT_GPU_FUNCTION(ingot_cuda_delta_scan)
  ({chunks, batch, heads, in.read.size(3), dk, dv, raw<void>(in.read), raw<void>(in.write), raw<void>(in.value),
    raw<float>(in.start), raw<float>(in.keep), raw<float>(in.fresh), raw<void>(in.added), in.reverse,
    raw<void>(entered), raw<void>(in.value), raw<float>(end), gpu_stream()});
  return {entered, in.value, end};
}

}  // namespace

DeltaScan delta_scan(const DeltaScanInputs& in) {
  if (has_gpu_scan(in)) return gpu_scan(in);
  const at::Tensor read = by_chunk(in.read), write = by_chunk(in.write), corrected = by_chunk(in.value);
  const at::Tensor added = by_chunk(in.added);
  const std::int64_t chunks = read.size(0), heads = in.start.size(1);
  const at::Tensor entered = at::empty({chunks, read.size(1), read.size(3), in.value.size(4)}, in.value.options());
  const at::Tensor state = in.start.flatten(0, 1).clone();  // [B H, dk, dv]
  const bool wide = state.scalar_type() == read.scalar_type();
  at::Tensor keep;  // [N, B H, 1, 1]
  if (in.keep.defined()) keep = in.keep.repeat_interleave(heads, 1).unsqueeze(-1).unsqueeze(-1);

  for (std::int64_t i = 0; i < chunks; ++i) {
    const std::int64_t n = in.reverse ? chunks - 1 - i : i;
    const at::Tensor now = entered.select(0, n), rows = corrected.select(0, n);
    now.copy_(state);
    rows.baddbmm_(read.select(0, n), now);
    if (keep.defined()) {
      state.mul_(keep.select(0, n));
      if (in.fresh.defined()) state.addcmul_(1 - keep.select(0, n), in.fresh.flatten(0, 1));
    }
    if (added.defined()) state.add_(added.select(0, n));
    const at::Tensor across = write.select(0, n).transpose(1, 2);
    if (wide) {
      state.baddbmm_(across, rows);
    } else {
      state.add_(wide_bmm(across, rows));
    }
  }
  return {entered.unflatten(1, {-1, heads}), in.value, state.unflatten(0, {-1, heads})};
}

}  // namespace ingot::ops
