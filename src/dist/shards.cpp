#include "dist/shards.h"

#include <algorithm>
#include <numeric>

namespace ingot {
namespace {

/// Elements that stay together.
std::int64_t unit_of(const ParameterStore::LeafPart& part, const std::vector<std::int64_t>& shape,
                     Granularity granularity) {
  if (!part.is_plain) return 0;
  switch (granularity) {
    case Granularity::kElement:
      return kOwnedUnit;
    case Granularity::kRow:
      return std::lcm(kOwnedUnit, part.numel / shape[0]);
    case Granularity::kColumn:
    case Granularity::kMatrix:
      break;
  }
  return 0;
}

std::int64_t nearest(const std::vector<std::int64_t>& cuts, std::int64_t wanted) {
  const auto after = std::lower_bound(cuts.begin(), cuts.end(), wanted);
  if (after == cuts.end()) return cuts.back();
  if (after == cuts.begin()) return *after;
  const auto before = *std::prev(after);
  return wanted - before <= *after - wanted ? before : *after;
}

}  // namespace

Shards::Shards(const ParameterStore& store, const std::vector<Granularity>& granularities, int world_size,
               std::int64_t bucket_bytes)
    : buckets_(make_buckets(store, bucket_bytes)) {
  const auto leaves = store.leaves();
  const auto leaf_parts = store.leaf_parts();
  for (const auto& master : store.masters()) master_numels_.push_back(master.numel);
  for (const auto& bucket : buckets_) {
    auto& parts = parts_.emplace_back();
    for (auto leaf = bucket.leaves.rbegin(); leaf != bucket.leaves.rend(); ++leaf) {
      for (const auto& part : leaf_parts[*leaf]) {
        const Master& master = store.masters()[part.first_master];
        const auto unit = unit_of(part, master.param->shape, coarser(master.granularity, granularities[master.index]));
        const auto begin = leaves[*leaf].grad_offset() - bucket.begin + part.begin;
        parts.push_back({begin, begin + part.numel, unit, part.first_master, part.num_masters});
      }
    }
  }
  // Rank r's stretch begins where all ranks before it have had their part of everything so far.
  std::vector<std::int64_t> given(static_cast<std::size_t>(world_size) + 1, 0);  // to the ranks before r
  std::int64_t total = 0;
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    const auto& bucket = buckets_[b];
    if (bucket.leaves.empty()) {
      bounds_.push_back(even_bounds(bucket.numel(), world_size));
      continue;
    }
    const auto where = cuts(b);
    auto& bounds = bounds_.emplace_back(1, 0);
    total += bucket.numel();
    for (int rank = 1; rank < world_size; ++rank) {
      const auto r = static_cast<std::size_t>(rank);
      const auto wanted = std::clamp<std::int64_t>(total / world_size * rank - given[r], 0, bucket.numel());
      bounds.push_back(std::max(bounds.back(), nearest(where, wanted)));
      given[r] += bounds.back();
    }
    bounds.push_back(bucket.numel());
  }
}

std::vector<std::int64_t> Shards::cuts(std::size_t bucket) const {
  std::vector<std::int64_t> out{0};
  for (const auto& part : parts_[bucket]) {
    if (part.begin > out.back()) out.push_back(part.begin);
    if (part.unit == 0) continue;
    for (auto cut = part.begin + part.unit; cut < part.end; cut += part.unit) out.push_back(cut);
  }
  out.push_back(buckets_[bucket].numel());
  return out;
}

std::vector<OwnedRange> Shards::ranges(int rank) const {
  std::vector<OwnedRange> out;
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    const auto begin = bounds_[b][static_cast<std::size_t>(rank)], end = bounds_[b][static_cast<std::size_t>(rank) + 1];
    for (const auto& part : parts_[b]) {
      const auto first = std::max(begin, part.begin), last = std::min(end, part.end);
      if (first >= last) continue;
      if (part.unit > 0) {
        out.push_back({part.first_master, first - part.begin, last - part.begin});
        continue;
      }
      for (std::size_t i = 0; i < part.num_masters; ++i) {
        out.push_back({part.first_master + i, 0, master_numels_[part.first_master + i]});
      }
    }
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.master < b.master; });
  return out;
}

}  // namespace ingot
