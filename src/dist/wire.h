#pragma once

namespace ingot {

/// Type of gradients on the network.
enum class Wire { kFloat32, kBfloat16 };

/// How gradients are added up.
enum class Reduction {
  kAuto,       // kRankOrder on CPUs, kAllReduce on GPUs
  kRankOrder,  // in fp32 in the order of the ranks: bits depend on the number of ranks alone
  kAllReduce,  // as the network library does it, in the type of the wire: less traffic between many nodes
};

}  // namespace ingot
