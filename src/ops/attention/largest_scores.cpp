#include "ops/attention/largest_scores.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/maximum.h>

#include <algorithm>
#include <limits>

namespace ingot::ops {

at::Tensor largest_scores(const at::Tensor& q, const at::Tensor& k, const VisibleKeys& seen, double scale) {
  constexpr std::int64_t kQueries = 128;  // of a block
  const at::NoGradGuard no_grad;
  const std::int64_t batch = q.size(0), length = q.size(1), keys = k.size(1), heads = k.size(2), width = q.size(3);
  const std::int64_t group = q.size(2) / heads;
  const auto type = attention_type(q);
  // [B, H', H/H', T, K] and [B, H', K, S]
  const at::Tensor queries = q.to(type).view({batch, length, heads, group, width}).permute({0, 2, 3, 1, 4});
  const at::Tensor transposed = k.to(type).permute({0, 2, 3, 1});
  const at::Tensor mask = seen.mask.defined() ? seen.mask : attention_mask(q, keys, seen);
  at::Tensor largest = at::full({heads, group}, -std::numeric_limits<double>::infinity(), queries.options());
  for (std::int64_t first = 0; first < length; first += kQueries) {
    const std::int64_t count = std::min(kQueries, length - first);
    const at::Tensor block = queries.narrow(3, first, count).reshape({batch, heads, group * count, width});
    at::Tensor scores = at::matmul(block, transposed).mul_(scale).view({batch, heads, group, count, keys});
    scores.add_(mask.narrow(2, first, count).unsqueeze(1));
    largest = at::maximum(largest, scores.amax({0, 3, 4}));
  }
  return largest.flatten();
}

}  // namespace ingot::ops
