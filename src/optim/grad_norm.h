#pragma once
// The norm of all gradients from one read of them.

#include <cstdint>
#include <vector>

#include "params/store.h"

namespace ingot {

/// Sums of squares of gradients in fp64, the same bits whatever the threads, the groups or the instruction set: fixed blocks
/// of each master, added up block by block and master by master in declaration order.
class GradNorm {
 public:
  /// `masters` are trained and allocated, in declaration order; they must outlive this.
  explicit GradNorm(std::vector<const Master*> masters);
  /// Not finite if a gradient is not.
  double sum_of_squares() const;

 private:
  struct Block {
    std::size_t master;  // index
    std::int64_t begin, end;
  };
  template <class T>
  double sum_blocks() const;
  double sum_on_device() const;

  std::vector<const Master*> masters_;
  std::vector<Block> blocks_;
};

}  // namespace ingot
