#pragma once
// A look at the network before the first step: how fast the ranks reach each other, and which do not keep up.

#include <cstdint>
#include <string>
#include <vector>

#include "dist/world.h"

namespace ingot {

struct Preflight {
  std::int64_t bytes = 0;          // of each transfer
  double all_reduce = 0;           // seconds for an all-reduce of that size, of the slowest rank
  std::vector<double> with_first;  // by rank: seconds for a transfer to and from rank 0 at once; 0 for rank 0 itself

  /// "an all-reduce of 4.0 MiB takes 12.3 ms (0.65 GB/s a rank)".
  std::string text() const;
};

/// All ranks together, in a world of two or more, with tensors of the device; each figure is the best of three tries.
/// The same result on all.
Preflight preflight(World& world, at::Device device);

/// Ranks whose `with_first` is over three times the median of the others.
std::vector<int> slow_ranks(const Preflight& measured);

}  // namespace ingot
