#pragma once
// How gradients are cut into buckets that are reduced one after the other while the backward pass goes on.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "params/store.h"

namespace ingot {

/// Neighbouring gradients of leaves, padding included: a stretch of a flat buffer.
struct Bucket {
  enum class Buffer { kMasterGrads, kWeightGrads, kAccumulators };
  Buffer buffer = Buffer::kMasterGrads;
  std::int64_t begin = 0, end = 0;  // elements of the buffer
  std::vector<std::size_t> leaves;  // indices into store.leaves(); none of accumulators

  std::int64_t numel() const { return end - begin; }
  /// [numel], a view. The store must be allocated.
  at::Tensor tensor(const ParameterStore& store) const;
};

/// Buckets of about `bytes` in the order in which a backward pass fills them: from the last declared leaf to the first,
/// then the buffers' accumulators. The same on every rank, since it depends on the layout alone.
std::vector<Bucket> make_buckets(const ParameterStore& store, std::int64_t bytes);

/// Where the shares of n elements begin for the ranks of a world, and their end: equal up to rounding to 64 bytes of
/// fp32.
std::vector<std::int64_t> even_bounds(std::int64_t n, int world_size);
/// What lies between the bounds.
std::vector<std::int64_t> sizes_of(const std::vector<std::int64_t>& bounds);

}  // namespace ingot
