#include "dist/weight_exchange.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <numeric>

namespace ingot {

WeightExchange::WeightExchange(const ParameterStore& store, World& world, const Shards& shards) : world_(world) {
  const auto leaves = store.leaves();
  const auto size = static_cast<std::size_t>(world.size()), me = static_cast<std::size_t>(world.rank());
  std::int64_t most_out = 0, most_in = 0;
  for (std::size_t b = 0; b < shards.buckets().size(); ++b) {
    const auto& bucket = shards.buckets()[b];
    if (bucket.leaves.empty()) continue;
    const auto& bounds = shards.bounds(b);
    Round round{std::vector<Bytes>(size), std::vector<std::int64_t>(size, 0)};
    for (std::size_t rank = 0; rank < size; ++rank) {
      for (const auto index : bucket.leaves) {
        const auto& leaf = leaves[index];
        const auto first = leaf.grad_offset() - bucket.begin;
        const auto begin = std::max<std::int64_t>(0, bounds[rank] - first);
        const auto end = std::min(leaf.numel(), bounds[rank + 1] - first);
        if (begin >= end) continue;
        const auto bytes = leaf.weight().detach().flatten().narrow(0, begin, end - begin).view(at::kByte);
        round.counts[rank] += bytes.numel();
        round.weights[rank].push_back(bytes);
      }
    }
    most_out = std::max(most_out, round.counts[me] * world.size());
    most_in = std::max(most_in, std::accumulate(round.counts.begin(), round.counts.end(), std::int64_t{0}));
    rounds_.push_back(std::move(round));
  }
  const auto options = at::TensorOptions(at::kByte).device(store.options().device);
  outgoing_ = at::empty({most_out}, options);
  incoming_ = at::empty({most_in}, options);
}

void WeightExchange::run() {
  const at::NoGradGuard no_grad;
  const auto size = static_cast<std::size_t>(world_.size()), me = static_cast<std::size_t>(world_.rank());
  for (auto& round : rounds_) {
    const auto mine = round.counts[me];
    std::int64_t at = 0;
    for (const auto& bytes : round.weights[me]) {
      outgoing_.narrow(0, at, bytes.numel()).copy_(bytes);
      at += bytes.numel();
    }
    for (std::int64_t r = 1; r < world_.size(); ++r) {
      outgoing_.narrow(0, r * mine, mine).copy_(outgoing_.narrow(0, 0, mine));
    }
    auto incoming = incoming_.narrow(0, 0, std::accumulate(round.counts.begin(), round.counts.end(), std::int64_t{0}));
    world_.exchange(outgoing_.narrow(0, 0, mine * world_.size()), std::vector<std::int64_t>(size, mine), incoming,
                    round.counts);
    at = 0;
    for (std::size_t rank = 0; rank < size; ++rank) {
      for (auto& bytes : round.weights[rank]) {
        if (rank != me) bytes.copy_(incoming.narrow(0, at, bytes.numel()));
        at += bytes.numel();
      }
    }
  }
}

}  // namespace ingot
