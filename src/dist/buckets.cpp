#include "dist/buckets.h"

#include <algorithm>

namespace ingot {
namespace {

constexpr std::int64_t kShareUnit = 16;  // elements
/// Padding between leaves, in elements, that a bucket may hold; a wider gap is not gradients.
constexpr std::int64_t kMostPadding = 64;

Bucket::Buffer buffer_of(const WeightLeaf& leaf) {
  return leaf.grad_buffer() == WeightLeaf::GradBuffer::kMasters ? Bucket::Buffer::kMasterGrads
                                                                : Bucket::Buffer::kWeightGrads;
}

bool continues(const Bucket& bucket, const WeightLeaf& leaf, std::int64_t most) {
  if (bucket.leaves.empty() || bucket.buffer != buffer_of(leaf)) return false;
  const auto end = leaf.grad_offset() + leaf.numel();
  const bool neighbours = end <= bucket.begin && bucket.begin - end < kMostPadding;
  return neighbours && bucket.end - leaf.grad_offset() <= most;
}

}  // namespace

at::Tensor Bucket::tensor(const ParameterStore& store) const {
  const auto& flat = buffer == Buffer::kMasterGrads   ? store.flat_grads()
                     : buffer == Buffer::kWeightGrads ? store.flat_weight_grads()
                                                      : store.flat_accumulators();
  return flat.narrow(0, begin, numel());
}

std::vector<Bucket> make_buckets(const ParameterStore& store, std::int64_t bytes) {
  std::vector<Bucket> out;
  const auto most = bytes / static_cast<std::int64_t>(c10::elementSize(store.options().master_dtype));
  const auto leaves = store.leaves();
  Bucket open;
  for (std::size_t i = leaves.size(); i-- > 0;) {
    const auto& leaf = leaves[i];
    if (!continues(open, leaf, most)) {
      if (!open.leaves.empty()) out.push_back(open);
      open = {buffer_of(leaf), leaf.grad_offset(), leaf.grad_offset() + leaf.numel(), {}};
    }
    open.begin = leaf.grad_offset();
    open.leaves.push_back(i);
  }
  if (!open.leaves.empty()) out.push_back(open);
  const auto accumulators = store.accumulator_numel();
  if (accumulators > 0) out.push_back({Bucket::Buffer::kAccumulators, 0, accumulators, {}});
  return out;
}

std::vector<std::int64_t> even_bounds(std::int64_t n, int world_size) {
  const auto units = (n + kShareUnit - 1) / kShareUnit;
  const auto share = (units + world_size - 1) / world_size * kShareUnit;
  std::vector<std::int64_t> out;
  for (int rank = 0; rank <= world_size; ++rank) out.push_back(std::min(n, share * rank));
  return out;
}

std::vector<std::int64_t> sizes_of(const std::vector<std::int64_t>& bounds) {
  std::vector<std::int64_t> out;
  for (std::size_t i = 1; i < bounds.size(); ++i) out.push_back(bounds[i] - bounds[i - 1]);
  return out;
}

}  // namespace ingot
