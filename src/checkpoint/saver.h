#pragma once
// Saves during a run: in the background if wanted, and with old checkpoints removed.

#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/saving_ranks.h"

namespace ingot {

/// Which checkpoints stay. The newest always does.
struct Retention {
  std::int64_t keep_last = 2;
  /// In steps; of each stretch of this length, from the second on, the first checkpoint stays for good. 0: none.
  std::int64_t keep_every = 0;
  /// Keep the checkpoint with the lowest value given to `note_evaluation`.
  bool keep_best = false;
};

/// Which of `steps` (rising, all usable) may be removed after `committed` was saved. Those after it belong to another
/// path of training and stay.
std::vector<std::int64_t> expendable_steps(const std::vector<std::int64_t>& steps, std::int64_t committed,
                                           const Retention& retention, std::optional<std::int64_t> best);

struct SaverOptions {
  fs::path run_dir;
  bool async = true;
  Retention retention;
};

/// For one thread, which may go on training while a save is written.
class CheckpointSaver {
 public:
  struct Last {
    fs::path path;
    std::int64_t step = -1;
    std::int64_t bytes = 0;
    double stall_seconds = 0;  // how long the caller waited
    double total_seconds = 0;  // until committed
  };

  /// Creates the folder, probes its file system and removes what killed saves left behind. Only while holding the run's
  /// lock. With `ranks` each of them makes a saver, which saves what it owns; rank 0's looks after what exists.
  explicit CheckpointSaver(SaverOptions options, std::unique_ptr<SavingRanks> ranks = nullptr);
  /// Waits, for other ranks a few seconds at most. An error that nobody asked for is logged.
  ~CheckpointSaver();
  CheckpointSaver(const CheckpointSaver&) = delete;
  CheckpointSaver& operator=(const CheckpointSaver&) = delete;

  /// Waits for the save before it and rethrows its error (then this one is not made; call again to try). If
  /// asynchronous, copies the tensors to staging buffers, which are kept from save to save, returns, and writes in the
  /// background; else writes and commits. Old checkpoints are removed after the commit, never before.
  void save(const CheckpointState& state, const SaveOptions& options = {});
  /// Returns when the last save is committed; throws CheckpointError if it failed.
  void wait();
  /// Whether a save is being written.
  bool busy() const;
  /// The last committed save. Waits for nothing.
  std::optional<Last> last() const;

  /// The deciding evaluation gave `value` for the weights after `step`, before or after that step was saved. Remembered
  /// over restarts in checkpoints/evaluations.json. Non-finite values do not count.
  void note_evaluation(std::int64_t step, double value);
  /// Step of the best checkpoint that exists.
  std::optional<std::int64_t> best_step() const;

  /// Training goes back to `step`: waits, then `set_aside_newer`.
  std::vector<CheckpointInfo> rewind(std::int64_t step);

 private:
  bool leads() const;
  CheckpointState stage(const CheckpointState& state);
  void write(const CheckpointState& state, const SaveOptions& options, double started, double stalled);
  void remove_old(std::int64_t committed);
  std::optional<std::int64_t> best_of(const std::vector<CheckpointInfo>& existing) const;
  void forget_evaluations(std::int64_t up_to);
  void load_evaluations();
  void store_evaluations();

  SaverOptions options_;
  std::unique_ptr<SavingRanks> ranks_;
  std::map<std::string, at::Tensor> staging_;
  std::future<void> running_;
  mutable std::mutex mutex_;  // guards what follows
  std::optional<Last> last_;
  std::map<std::int64_t, double> evaluations_;  // step -> value
};

}  // namespace ingot
