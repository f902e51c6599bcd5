#pragma once
// How the ranks share masters and optimizer state out among them: Rajbhandari et al. 2020 (ZeRO, arXiv:1910.02054),
// stage 1.
//
// Each rank owns a stretch of every bucket of gradients: of all buckets at a time each rank receives its share, so that
// no rank's network waits for another's. Cuts lie where every update may be cut: between parameters; within one at rows
// or anywhere, as far as its parametrization, constraints and optimizer look at no more; a parameter that is looked at
// as a whole has one owner. Shares even out over the buckets.

#include <cstdint>
#include <vector>

#include "dist/buckets.h"
#include "params/store.h"

namespace ingot {

class Shards {
 public:
  /// The store is laid out. `granularities`: what optimizers look at as a whole, by index in `store.masters()`.
  Shards(const ParameterStore& store, const std::vector<Granularity>& granularities, int world_size,
         std::int64_t bucket_bytes);

  const std::vector<Bucket>& buckets() const { return buckets_; }
  /// Where the ranks' stretches of a bucket begin, and its end: world size + 1 elements of the bucket.
  const std::vector<std::int64_t>& bounds(std::size_t bucket) const { return bounds_[bucket]; }
  /// What a rank owns, for `ParameterStore::own`.
  std::vector<OwnedRange> ranges(int rank) const;

 private:
  /// A parameter within its bucket.
  struct Part {
    std::int64_t begin = 0, end = 0;  // elements of the bucket
    std::int64_t unit = 0;            // it may be cut at multiples of this; 0: nowhere
    std::size_t first_master = 0, num_masters = 0;
  };
  std::vector<std::int64_t> cuts(std::size_t bucket) const;

  std::vector<std::int64_t> master_numels_;
  std::vector<Bucket> buckets_;
  std::vector<std::vector<Part>> parts_;  // by bucket, rising
  std::vector<std::vector<std::int64_t>> bounds_;
};

}  // namespace ingot
