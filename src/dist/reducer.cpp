#include "dist/reducer.h"

#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <stdexcept>

#include "base/clock.h"

namespace ingot {
class GradientReducer::Hook : public torch::autograd::PostAccumulateGradHook {
 public:
  Hook(GradientReducer& reducer, std::size_t leaf) : reducer_(reducer), leaf_(leaf) {}
  void operator()(const torch::autograd::Variable&) override { reducer_.ready(leaf_); }

 private:
  GradientReducer& reducer_;
  std::size_t leaf_;
};

GradientReducer::GradientReducer(ParameterStore& store, World& world, const ReducerOptions& options) : world_(world) {
  if (world.size() == 1) return;
  buckets_ = make_buckets(store, options.bucket_bytes);
  const auto leaves = store.leaves();
  bucket_of_leaf_.resize(leaves.size());
  expected_.assign(leaves.size(), 0);
  std::int64_t largest = 0;
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    largest = std::max(largest, buckets_[b].flat.numel());
    for (const auto leaf : buckets_[b].leaves) bucket_of_leaf_[leaf] = b;
  }
  const auto share = even_shares(largest, world.size()).front();
  const auto dtype = options.wire == Wire::kBfloat16 ? at::kBFloat16 : buckets_.front().flat.scalar_type();
  received_ = at::empty({share * world.size()}, dtype);
  replicas_ = at::empty({share * world.size()}, dtype);
  sum_ = at::empty({share}, buckets_.front().flat.options());
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    torch::autograd::impl::set_post_acc_grad_hooks(leaves[i].weight(), std::make_unique<Hook>(*this, i));
  }
  hooked_ = leaves;
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
  seen_.assign(bucket_of_leaf_.size(), 0);
  open_leaves_.clear();
  for (const auto& bucket : buckets_) open_leaves_.push_back(bucket.leaves.size());
}

void GradientReducer::ready(std::size_t leaf) {
  if (!armed_) return;
  const auto count = ++seen_[leaf];
  if (!counted_) return;
  if (count > expected_[leaf]) throw std::logic_error("a gradient changed after it was sent to the other ranks");
  if (count < expected_[leaf]) return;
  --open_leaves_[bucket_of_leaf_[leaf]];
  // In one fixed order on all ranks: a bucket that is complete early waits for its turn.
  std::size_t complete = 0;
  while (complete < buckets_.size() && open_leaves_[complete] == 0 && !buckets_[complete].leaves.empty()) ++complete;
  launch(complete);
}

void GradientReducer::launch(std::size_t buckets) {
  {
    const std::scoped_lock lock(mutex_);
    if (buckets <= launched_) return;
    launched_ = buckets;
  }
  wake_.notify_all();
}

void GradientReducer::finish() {
  if (buckets_.empty()) return;
  if (armed_ && !counted_) {
    expected_ = seen_;
    counted_ = true;
  }
  armed_ = false;
  const auto start = Clock::now();
  {
    const std::scoped_lock lock(mutex_);
    times_.hidden = busy_;
  }
  launch(buckets_.size());
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return done_ == buckets_.size() || error_; });
  if (error_) std::rethrow_exception(error_);
  times_.busy = busy_;
  times_.waited = seconds_since(start);
  launched_ = done_ = 0;
  busy_ = 0;
}

void GradientReducer::work() {
  const c10::NoGradGuard no_grad;
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return closing_ || (done_ < launched_ && !error_); });
    if (closing_) return;
    const auto index = done_;
    lock.unlock();
    std::exception_ptr error;
    const auto start = Clock::now();
    try {
      reduce(buckets_[index]);
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

void GradientReducer::reduce(const Bucket& bucket) {
  const int world = world_.size();
  const auto shares = even_shares(bucket.flat.numel(), world);
  const auto mine = shares[static_cast<std::size_t>(world_.rank())];
  const std::vector<std::int64_t> mine_each(static_cast<std::size_t>(world), mine);
  const bool converts = received_.scalar_type() != bucket.flat.scalar_type();
  const auto outgoing = converts ? bucket.flat.to(received_.scalar_type()) : bucket.flat;

  auto received = received_.narrow(0, 0, mine * world);
  world_.exchange(outgoing, shares, received, mine_each);
  auto sum = sum_.narrow(0, 0, mine);
  sum.copy_(received.narrow(0, 0, mine));
  for (int rank = 1; rank < world; ++rank) sum.add_(received.narrow(0, mine * rank, mine));

  auto replicas = replicas_.narrow(0, 0, mine * world);
  for (int rank = 0; rank < world; ++rank) replicas.narrow(0, mine * rank, mine).copy_(sum);
  auto incoming = converts ? outgoing : bucket.flat;
  world_.exchange(replicas, mine_each, incoming, shares);
  if (converts) bucket.flat.copy_(incoming);
}

}  // namespace ingot
