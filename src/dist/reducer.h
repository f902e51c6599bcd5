#pragma once
// Sums gradients over the ranks, bucket by bucket, while the backward pass of the last micro-batch still runs.
//
// In rank order the sum is deterministic: every rank gets all ranks' values of its share of a bucket, adds them up in
// rank order, and hands the result round. Its bits depend on the world size alone, neither on the size of buckets nor
// on timing. Where the masters are shared out, it is always made so; each rank keeps the sum of what it owns and
// nothing is handed round: only those gradients are sums then.
//
// Gradients can be shared out as well (ZeRO, stage 2): then each micro-batch is a round, in which a bucket goes out as
// soon as it is complete and all but the rank's own stretch of it, to which the round's sum is added, is given back to
// the system. The backward pass waits where the network falls behind, so that few buckets are held at a time.

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "device/side_stream.h"
#include "dist/buckets.h"
#include "dist/shards.h"
#include "dist/wire.h"
#include "dist/world.h"

namespace ingot {

struct ReducerOptions {
  std::int64_t bucket_bytes = 25 << 20;
  Wire wire = Wire::kFloat32;
  Reduction reduction = Reduction::kAuto;
  const Shards* shards = nullptr;  // in place of `bucket_bytes`; outlives the reducer
  bool shares_gradients = false;   // on CPUs, with shards
};

/// What the reductions of the last step took, in seconds.
struct ReductionTimes {
  double busy = 0;    // of the network thread
  double hidden = 0;  // of `busy`, while backward passes ran
  double waited = 0;  // of the caller, for others and the network
};

/// Buckets that are on their way at a time at most, where gradients are shared out.
inline constexpr std::size_t kBucketsOnTheWay = 2;

class GradientReducer {
 public:
  /// The store must be allocated; both must outlive this. In a world of one nothing happens.
  GradientReducer(ParameterStore& store, World& world, const ReducerOptions& options);
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  /// Before the backward pass of the step's last micro-batch (of each, where gradients are shared out): from now on a
  /// bucket whose gradients are complete goes out.
  void arm();
  /// After the last, or instead of it where a rank had no micro-batch: returns when the gradients are sums over the
  /// ranks. Throws DistributedError.
  void finish();
  /// Where gradients are shared out: likewise for each micro-batch before the last one of the rank that has most.
  void finish_round();
  /// Zeroes gradients and accumulators for the next step.
  void clear();
  const ReductionTimes& times() const { return times_; }

 private:
  class Hook;
  struct Job {
    Bucket bucket;
    at::Tensor flat;                   // its gradients
    std::vector<std::int64_t> bounds;  // of the ranks' shares
    bool hands_round = true;
  };
  void ready(std::size_t leaf);
  void launch(std::size_t jobs);
  void finish(std::size_t jobs);
  void work();
  void reduce(const Job& job);
  void add_in_rank_order(const Job& job);

  ParameterStore& store_;
  World& world_;
  bool shares_gradients_;
  std::vector<Job> jobs_;          // those of accumulators come last
  std::size_t gradient_jobs_ = 0;  // the others
  std::vector<std::size_t> job_of_leaf_;
  // How often a leaf's gradient is added to in one backward pass (recomputed parts run passes of their own): counted in
  // the first armed pass, after which buckets go out early.
  std::vector<int> expected_, seen_;
  std::vector<std::size_t> open_leaves_;  // of each job, not complete
  bool armed_ = false;
  bool counted_ = false;
  at::ScalarType wire_ = at::kFloat;
  bool rank_order_ = true;
  at::Tensor received_, sum_, replicas_;  // staging for sums in rank order
  std::optional<SideStream> side_;        // of the network thread
  std::vector<WeightLeaf> hooked_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::size_t launched_ = 0, done_ = 0;  // in this round
  bool closing_ = false;
  std::exception_ptr error_;
  double busy_ = 0;  // in this round
  ReductionTimes sum_of_rounds_, times_;
  std::thread thread_;
};

}  // namespace ingot
