#pragma once
// Which micro-batches of a step each rank takes.

#include <algorithm>
#include <cstdint>

#include "dist/world.h"
#include "train/setup.h"

namespace ingot {

/// The step's rows 0..rows-1 in micro-batches of `micro_batch`, the last one maybe smaller; a rank takes a run of them.
/// Ranks differ by one at most, and one may get none.
class MicroBatches {
 public:
  MicroBatches(std::int64_t rows, std::int64_t micro_batch, int rank, int world_size)
      : rows_(rows), micro_batch_(micro_batch) {
    const auto all = in_step(rows, micro_batch);
    begin_ = all * rank / world_size;
    end_ = all * (rank + 1) / world_size;
  }
  /// Of all ranks.
  static std::int64_t in_step(std::int64_t rows, std::int64_t micro_batch) {
    return (rows + micro_batch - 1) / micro_batch;
  }
  std::int64_t count() const { return end_ - begin_; }
  /// Of the i-th of this rank, within the step.
  std::int64_t first_row(std::int64_t i) const { return (begin_ + i) * micro_batch_; }
  std::int64_t rows(std::int64_t i) const { return std::min(micro_batch_, rows_ - first_row(i)); }

 private:
  std::int64_t rows_, micro_batch_, begin_ = 0, end_ = 0;
};

/// Of the run's step `step`, from 0.
inline MicroBatches micro_batches_of(const TrainSetup& setup, std::int64_t step, const World& world) {
  return {setup.rows_of_step(step), setup.micro_batch, world.rank(), world.size()};
}

}  // namespace ingot
