#include "dist/preflight.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <limits>

#include "base/clock.h"
#include "base/statistics.h"
#include "base/text.h"
#include "dist/buckets.h"

namespace ingot {
namespace {

constexpr std::int64_t kBytes = 4 << 20;
constexpr int kTries = 3;
constexpr double kSlow = 3;  // times the median

using Counts = std::vector<std::int64_t>;

double best_seconds(World& world, const std::function<void()>& action) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kTries; ++i) {
    world.all_gather({0});  // begin together
    const auto start = Clock::now();
    action();
    best = std::min(best, seconds_since(start));
  }
  return best;
}

}  // namespace

std::string Preflight::text() const {
  char numbers[80];
  std::snprintf(numbers, sizeof numbers, "%.1f ms (%.2f GB/s a rank)", 1e3 * all_reduce,
                static_cast<double>(bytes) / all_reduce / 1e9);
  return cat("an all-reduce of ", format_bytes(static_cast<double>(bytes)), " takes ", numbers);
}

Preflight preflight(World& world, at::Device device) {
  const auto n = kBytes / static_cast<std::int64_t>(sizeof(float));
  const auto size = static_cast<std::size_t>(world.size());
  const auto me = static_cast<std::size_t>(world.rank());
  const auto on_device = at::TensorOptions(device);
  auto values = at::zeros({n}, on_device);
  Preflight out;
  out.bytes = kBytes;

  const auto shares = sizes_of(even_bounds(n, world.size()));
  const Counts mine(size, shares[me]);
  auto gathered = at::zeros({shares[me] * world.size()}, on_device);
  const auto own = best_seconds(world, [&] {
    world.exchange(values, shares, gathered, mine);
    world.exchange(gathered, mine, values, shares);
  });
  for (const auto& seconds : world.all_gather({own})) out.all_reduce = std::max(out.all_reduce, seconds[0]);

  auto received = at::zeros({n}, on_device);
  out.with_first.assign(size, 0);
  for (std::size_t other = 1; other < size; ++other) {
    Counts counts(size, 0);
    if (me == 0) counts[other] = n;
    if (me == other) counts[0] = n;
    const auto part = me == 0 || me == other ? n : 0;
    auto incoming = received.narrow(0, 0, part);
    out.with_first[other] =
        best_seconds(world, [&] { world.exchange(values.narrow(0, 0, part), counts, incoming, counts); });
  }
  out.with_first = world.all_gather(out.with_first)[0];
  return out;
}

std::vector<int> slow_ranks(const Preflight& measured) {
  std::vector<int> out;
  if (measured.with_first.size() < 3) return out;
  for (std::size_t rank = 1; rank < measured.with_first.size(); ++rank) {
    std::vector<double> others(measured.with_first.begin() + 1, measured.with_first.end());
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(rank) - 1);
    if (measured.with_first[rank] > kSlow * median(others)) out.push_back(static_cast<int>(rank));
  }
  return out;
}

}  // namespace ingot
