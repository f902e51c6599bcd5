#include "train/setup.h"

#include <algorithm>

namespace ingot {
namespace {

// A small model has several buckets too, so that some of them go out early; smaller ones would cost more in messages.
constexpr std::int64_t kFewestBuckets = 8;
constexpr std::int64_t kSmallestBucket = 256 << 10;  // bytes

}  // namespace

std::int64_t TrainSetup::total_tokens() const {
  const auto first = first_position(config);
  return (batches.rows_before(first + total_steps) - batches.rows_before(first)) * config.data.seq_len;
}

ScheduleContext schedule_context(const TrainSetup& setup, const Duration& duration) {
  ScheduleContext out;
  const auto first = first_position(setup.config), full = setup.rows_per_step;
  const auto updates = first + setup.batches.updates(duration, setup.durations, first);
  out.total_steps = updates;
  out.tokens_per_step = setup.tokens_per_step;
  out.tokens_per_epoch = static_cast<std::int64_t>(setup.durations.tokens_per_epoch.value_or(0));
  out.num_parameters = setup.store->num_parameters();
  if (!setup.batches.grows()) return out;
  out.updates = updates;
  out.total_steps = (setup.batches.rows_before(updates) + full - 1) / full;
  out.time = [batches = setup.batches, full](std::int64_t update) {
    return static_cast<double>(batches.rows_before(update)) / static_cast<double>(full);
  };
  return out;
}

std::int64_t bucket_bytes(const ParameterStore& store, const DistributedSection& distributed) {
  const auto all = store.memory().gradients;
  return std::min(distributed.bucket.bytes, std::max(all / kFewestBuckets, kSmallestBucket));
}

bool shares_gradients(const TrainSetup& setup) {
  return setup.shards && setup.config.distributed.shard == Sharding::kGradients;
}

}  // namespace ingot
