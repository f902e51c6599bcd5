#pragma once
// How gradients are cut into buckets that are reduced one after the other while the backward pass goes on.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "params/store.h"

namespace ingot {

/// Neighbouring gradients of leaves, padding included: one flat stretch of a gradient buffer.
struct Bucket {
  at::Tensor flat;                  // [n], a view
  std::vector<std::size_t> leaves;  // indices into store.leaves(); empty for the accumulators of buffers
};

/// Buckets of about `bytes` in the order in which a backward pass fills them: from the last declared leaf to the first, then
/// the buffers' accumulators. The same on every rank, since it depends on the layout alone. The store must be allocated.
std::vector<Bucket> make_buckets(const ParameterStore& store, std::int64_t bytes);

/// Shares of n elements for the ranks of a world, in rank order: equal up to rounding to 64 bytes of fp32.
std::vector<std::int64_t> even_shares(std::int64_t n, int world_size);

}  // namespace ingot
