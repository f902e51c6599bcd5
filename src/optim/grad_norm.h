#pragma once
// The norm of all gradients from one read of them.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "params/store.h"

namespace ingot {

/// Adds up a flat fp64 tensor over the ranks, in place.
using SumOverRanks = std::function<void(at::Tensor&)>;

/// Sums of squares of gradients in fp64, the same bits whatever the threads, the groups, the instruction set or the
/// rank that owns a gradient: fixed blocks of each master, added up block by block and master by master in declaration
/// order.
class GradNorm {
 public:
  /// Of everything trained that the store, which is allocated and outlives this, owns. A part begins with a block.
  explicit GradNorm(const ParameterStore& store);
  /// Not finite if a gradient is not. `sum_over_ranks` is needed where the store does not own all.
  double sum_of_squares(const SumOverRanks& sum_over_ranks = {}) const;
  /// The same of each trained master, as declared; they add up to it, on the CPU to the bit.
  std::vector<double> squares_by_master(const SumOverRanks& sum_over_ranks = {}) const;

 private:
  struct Block {
    const Master* part;
    std::int64_t begin, end;  // elements of the part
    std::size_t index;        // among all blocks of all masters
  };
  template <class T>
  void fill(double* partial) const;
  double sum_on_device(const SumOverRanks& sum_over_ranks) const;
  std::vector<double> sums_on_device(const SumOverRanks& sum_over_ranks) const;

  const ParameterStore& store_;
  std::vector<std::size_t> first_block_;  // of each trained master, and behind the last
  std::vector<Block> blocks_;
};

}  // namespace ingot
