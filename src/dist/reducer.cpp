#include "dist/reducer.h"

#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/clock.h"
#include "device/pages.h"

namespace ingot {
class GradientReducer::Hook : public torch::autograd::PostAccumulateGradHook {
 public:
  Hook(GradientReducer& reducer, std::size_t leaf) : reducer_(reducer), leaf_(leaf) {}
  void operator()(const torch::autograd::Variable&) override { reducer_.ready(leaf_); }

 private:
  GradientReducer& reducer_;
  std::size_t leaf_;
};

GradientReducer::GradientReducer(ParameterStore& store, World& world, const ReducerOptions& options)
    : store_(store), world_(world), shares_gradients_(options.shares_gradients) {
  if (world.size() == 1) return;
  const auto buckets =
      options.shards != nullptr ? options.shards->buckets() : make_buckets(store, options.bucket_bytes);
  std::int64_t largest = 0, replicas = 0;  // shares of this rank, elements
  for (std::size_t b = 0; b < buckets.size(); ++b) {
    Job job{buckets[b], buckets[b].tensor(store), even_bounds(buckets[b].numel(), world.size()), true};
    if (options.shards != nullptr && !job.bucket.leaves.empty()) {
      job.bounds = options.shards->bounds(b);
      job.hands_round = false;
    }
    const auto rank = static_cast<std::size_t>(world.rank());
    const auto mine = job.bounds[rank + 1] - job.bounds[rank];
    largest = std::max(largest, mine);
    replicas = std::max(replicas, job.hands_round ? mine * world.size() : mine);
    if (!job.bucket.leaves.empty()) ++gradient_jobs_;
    jobs_.push_back(std::move(job));
  }
  const auto leaves = store.leaves();
  job_of_leaf_.resize(leaves.size());
  expected_.assign(leaves.size(), 0);
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    for (const auto leaf : jobs_[i].bucket.leaves) job_of_leaf_[leaf] = i;
  }
  const auto& flat = jobs_.front().flat;
  const auto reduction = options.reduction != Reduction::kAuto ? options.reduction
                         : flat.is_cpu()                       ? Reduction::kRankOrder
                                                               : Reduction::kAllReduce;
  rank_order_ = reduction == Reduction::kRankOrder || options.shards != nullptr;
  wire_ = options.wire == Wire::kBfloat16 ? at::kBFloat16 : flat.scalar_type();
  if (rank_order_) {
    received_ = at::empty({largest * world.size()}, flat.options().dtype(wire_));
    replicas_ = at::empty({replicas}, flat.options().dtype(wire_));
    sum_ = at::empty({largest}, flat.options());
  }
  side_.emplace(flat.device());
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    torch::autograd::impl::set_post_acc_grad_hooks(leaves[i].weight(), std::make_unique<Hook>(*this, i));
  }
  hooked_ = leaves;
  if (shares_gradients_) clear();
  thread_ = std::thread([this] { work(); });
}

GradientReducer::~GradientReducer() {
  if (!thread_.joinable()) return;
  {
    const std::scoped_lock lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  thread_.join();
  for (const auto& leaf : hooked_) torch::autograd::impl::set_post_acc_grad_hooks(leaf.weight(), nullptr);
}

void GradientReducer::arm() {
  armed_ = true;
  seen_.assign(job_of_leaf_.size(), 0);
  open_leaves_.clear();
  for (const auto& job : jobs_) open_leaves_.push_back(job.bucket.leaves.size());
}

void GradientReducer::ready(std::size_t leaf) {
  if (!armed_) return;
  const auto count = ++seen_[leaf];
  if (!counted_) return;
  if (count > expected_[leaf]) throw std::logic_error("a gradient changed after it was sent to the other ranks");
  if (count < expected_[leaf]) return;
  --open_leaves_[job_of_leaf_[leaf]];
  // In one fixed order on all ranks: a bucket that is complete early waits for its turn.
  std::size_t complete = 0;
  while (complete < jobs_.size() && open_leaves_[complete] == 0 && !jobs_[complete].bucket.leaves.empty()) ++complete;
  launch(complete);
  if (shares_gradients_) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return launched_ - done_ <= kBucketsOnTheWay || error_; });
  }
}

void GradientReducer::launch(std::size_t jobs) {
  {
    const std::scoped_lock lock(mutex_);
    if (jobs <= launched_) return;
    side_->follow_current();
    launched_ = jobs;
  }
  wake_.notify_all();
}

void GradientReducer::finish() {
  if (jobs_.empty()) return;
  finish(jobs_.size());
  times_ = std::exchange(sum_of_rounds_, {});
}

void GradientReducer::finish_round() {
  if (!shares_gradients_) throw std::logic_error("a round for each micro-batch is for gradients that are shared out");
  if (gradient_jobs_ > 0) finish(gradient_jobs_);
}

void GradientReducer::finish(std::size_t jobs) {
  if (armed_ && !counted_) {
    expected_ = seen_;
    counted_ = true;
  }
  armed_ = false;
  const auto start = Clock::now();
  {
    const std::scoped_lock lock(mutex_);
    sum_of_rounds_.hidden += busy_;
  }
  launch(jobs);
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [&] { return done_ == jobs || error_; });
  if (error_) std::rethrow_exception(error_);
  sum_of_rounds_.busy += busy_;
  sum_of_rounds_.waited += seconds_since(start);
  launched_ = done_ = 0;
  busy_ = 0;
}

void GradientReducer::clear() {
  if (!shares_gradients_) {
    store_.zero_grads();
    return;
  }
  release_pages(store_.flat_grads());
  release_pages(store_.flat_weight_grads());
  at::Tensor(store_.flat_accumulators()).zero_();
}

void GradientReducer::work() {
  const c10::NoGradGuard no_grad;
  const SideStream::Guard stream(*side_);
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return closing_ || (done_ < launched_ && !error_); });
    if (closing_) return;
    const auto index = done_;
    lock.unlock();
    std::exception_ptr error;
    const auto start = Clock::now();
    try {
      reduce(jobs_[index]);
      side_->wait();
    } catch (...) {
      error = std::current_exception();
    }
    const double seconds = seconds_since(start);
    lock.lock();
    busy_ += seconds;
    error_ = error;
    ++done_;
    wake_.notify_all();
  }
}

void GradientReducer::reduce(const Job& job) {
  if (rank_order_) {
    add_in_rank_order(job);
  } else if (wire_ == job.flat.scalar_type()) {
    world_.all_reduce(job.flat);
  } else {
    const auto on_wire = job.flat.to(wire_);
    world_.all_reduce(on_wire);
    job.flat.copy_(on_wire);
  }
}

void GradientReducer::add_in_rank_order(const Job& job) {
  const int world = world_.size();
  const auto rank = static_cast<std::size_t>(world_.rank());
  const auto shares = sizes_of(job.bounds);
  const auto mine = shares[rank];
  const std::vector<std::int64_t> mine_each(static_cast<std::size_t>(world), mine);
  const bool converts = wire_ != job.flat.scalar_type();
  const auto outgoing = converts ? job.flat.to(wire_) : job.flat;

  auto received = received_.narrow(0, 0, mine * world);
  world_.exchange(outgoing, shares, received, mine_each);
  auto sum = sum_.narrow(0, 0, mine);
  // With shared gradients the rank's own stretch holds the sum of earlier rounds, which is not rounded again.
  const auto own = job.flat.narrow(0, job.bounds[rank], mine);
  const bool accumulates = shares_gradients_ && !job.hands_round;
  const auto values_of = [&](int r) {
    return accumulates && r == world_.rank() ? own : received.narrow(0, mine * r, mine);
  };
  sum.copy_(values_of(0));
  for (int r = 1; r < world; ++r) sum.add_(values_of(r));

  if (!job.hands_round) {
    // Rounded as it would be on its way to the others, so that sharing out changes no bit.
    if (converts && !accumulates) sum.copy_(replicas_.narrow(0, 0, mine).copy_(sum));
    own.copy_(sum);
    if (accumulates) {
      release_pages(job.flat.narrow(0, 0, job.bounds[rank]));
      release_pages(job.flat.narrow(0, job.bounds[rank + 1], job.flat.numel() - job.bounds[rank + 1]));
    }
    return;
  }
  auto replicas = replicas_.narrow(0, 0, mine * world);
  for (int r = 0; r < world; ++r) replicas.narrow(0, mine * r, mine).copy_(sum);
  auto incoming = converts ? outgoing : job.flat;
  world_.exchange(replicas, mine_each, incoming, shares);
  if (converts) job.flat.copy_(incoming);
}

}  // namespace ingot
