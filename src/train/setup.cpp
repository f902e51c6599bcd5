#include "train/setup.h"

#include <algorithm>

namespace ingot {
namespace {

// A small model has several buckets too, so that some of them go out early; smaller ones would cost more in messages.
constexpr std::int64_t kFewestBuckets = 8;
constexpr std::int64_t kSmallestBucket = 256 << 10;  // bytes

}  // namespace

std::int64_t bucket_bytes(const ParameterStore& store, const DistributedSection& distributed) {
  const auto all = store.memory().gradients;
  return std::min(distributed.bucket.bytes, std::max(all / kFewestBuckets, kSmallestBucket));
}

bool shares_gradients(const TrainSetup& setup) {
  return setup.shards && setup.config.distributed.shard == Sharding::kGradients;
}

}  // namespace ingot
