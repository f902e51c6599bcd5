#include "dist/buckets.h"

#include <ATen/ops/as_strided.h>

#include <algorithm>

namespace ingot {
namespace {

constexpr std::int64_t kShareUnit = 16;  // elements
/// Padding between leaves, in elements, that a bucket may hold; a wider gap is not gradients.
constexpr std::int64_t kMostPadding = 64;

struct Stretch {
  at::Tensor first;  // any gradient in it: tells storage and options
  std::int64_t begin = 0, end = 0;
  std::vector<std::size_t> leaves;
};

bool continues(const Stretch& stretch, const at::Tensor& grad, std::int64_t bytes) {
  if (stretch.leaves.empty() || !grad.is_alias_of(stretch.first)) return false;
  const auto end = grad.storage_offset() + grad.numel();
  const bool neighbours = end <= stretch.begin && stretch.begin - end < kMostPadding;
  const auto size = (stretch.end - grad.storage_offset()) * static_cast<std::int64_t>(grad.element_size());
  return neighbours && size <= bytes;
}

Bucket bucket_of(const Stretch& stretch) {
  return {at::as_strided(stretch.first, {stretch.end - stretch.begin}, {1}, stretch.begin), stretch.leaves};
}

}  // namespace

std::vector<Bucket> make_buckets(const ParameterStore& store, std::int64_t bytes) {
  std::vector<Bucket> out;
  const auto leaves = store.leaves();
  Stretch open;
  for (std::size_t i = leaves.size(); i-- > 0;) {
    const auto& grad = leaves[i].grad();
    if (!continues(open, grad, bytes)) {
      if (!open.leaves.empty()) out.push_back(bucket_of(open));
      open = {grad, grad.storage_offset(), grad.storage_offset() + grad.numel(), {}};
    }
    open.begin = grad.storage_offset();
    open.leaves.push_back(i);
  }
  if (!open.leaves.empty()) out.push_back(bucket_of(open));
  if (store.flat_accumulators().numel() > 0) out.push_back({store.flat_accumulators(), {}});
  return out;
}

std::vector<std::int64_t> even_shares(std::int64_t n, int world_size) {
  const auto units = (n + kShareUnit - 1) / kShareUnit;
  const auto share = (units + world_size - 1) / world_size * kShareUnit;
  std::vector<std::int64_t> out;
  for (int rank = 0; rank < world_size; ++rank) {
    const auto begin = std::min(n, share * rank);
    out.push_back(std::min(n, begin + share) - begin);
  }
  return out;
}

}  // namespace ingot
