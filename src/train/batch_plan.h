#pragma once
// How many rows of which length each update of a run has: `train.batch_warmup` and `train.context_warmup`.

#include <cstdint>
#include <vector>

#include "config/units.h"
#include "data/sampling/batch.h"
#include "recipe/run_config.h"

namespace ingot {

/// Updates are numbered from 0, as schedules count them. A row is `seq_len` tokens of the data, whatever the length of
/// the pieces that it is cut into.
class BatchPlan {
 public:
  BatchPlan() = default;
  /// `durations` as far as they are known; what it says of steps and of the run is not used. Throws ConfigError.
  BatchPlan(const TrainSection& train, std::int64_t seq_len, DurationContext durations);

  bool grows() const { return rows_.size() > 1; }
  /// Of a full batch.
  std::int64_t full_rows() const { return rows_.back().value; }
  std::int64_t rows(std::int64_t update) const { return at(rows_, update).value; }
  /// Of all updates before.
  std::int64_t rows_before(std::int64_t update) const;
  /// The first update before which there are that many.
  std::int64_t update_after(std::int64_t rows) const;
  /// Of the pieces, in tokens; a divisor of seq_len.
  std::int64_t length(std::int64_t update) const { return at(lengths_, update).value; }

  /// Updates from `first` on, 1 at least, for a run of that length.
  std::int64_t updates(const Duration& duration, const DurationContext& durations, std::int64_t first) const;

 private:
  struct Stage {
    std::int64_t begin;        // update
    std::int64_t value;        // rows of an update, or tokens of a piece
    std::int64_t rows_before;  // of all updates before `begin`
  };
  static const Stage& at(const std::vector<Stage>& stages, std::int64_t update);
  std::int64_t rows_of(const Duration& duration, DurationContext durations) const;

  std::vector<Stage> rows_, lengths_;  // by `begin`
  std::int64_t seq_len_ = 0;
};

/// Rows cut into pieces of `length` tokens, which become rows of their own: [rows, T] -> [rows · T/length, length].
/// Every target stays with its input; documents are numbered anew in each piece.
Batch cut_rows(Batch batch, std::int64_t length);

}  // namespace ingot
