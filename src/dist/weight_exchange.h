#pragma once
// Where the masters are shared out: after an update each rank sends the compute weights that it made from its masters
// to all others.

#include <ATen/core/Tensor.h>

#include <vector>

#include "dist/shards.h"
#include "dist/world.h"

namespace ingot {

class WeightExchange {
 public:
  /// The store is allocated and owns `shards.ranges(world.rank())`. Both it and the world outlive this.
  WeightExchange(const ParameterStore& store, World& world, const Shards& shards);
  /// Called by all ranks. Afterwards their compute weights are the same. Throws DistributedError.
  void run();

 private:
  using Bytes = std::vector<at::Tensor>;  // views of weights: uint8, flat
  /// One message of each rank to each other.
  struct Round {
    std::vector<Bytes> weights;        // by rank
    std::vector<std::int64_t> counts;  // bytes, by rank
  };

  World& world_;
  std::vector<Round> rounds_;
  at::Tensor outgoing_, incoming_;  // staging
};

}  // namespace ingot
