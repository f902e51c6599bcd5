#pragma once
// Makes batches ahead on a thread of its own.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "data/sampling/batch.h"

namespace ingot {

/// Calls `make` on its own thread, in order, and keeps up to `depth` results. An error in `make` is
/// thrown by the `next` that would have returned the batch. The destructor waits for a running call
/// only.
class Prefetcher {
 public:
  /// `make()` returns the next batch, nullopt at the end.
  Prefetcher(std::function<std::optional<Batch>()> make, std::size_t depth);
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;
  ~Prefetcher();

  /// Waits for the next batch; nullopt at the end (and ever after).
  std::optional<Batch> next();
  /// Seconds that `next` has spent waiting in all.
  double seconds_waited() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ingot
