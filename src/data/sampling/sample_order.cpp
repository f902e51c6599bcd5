#include "data/sampling/sample_order.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "base/text.h"

namespace ingot {
namespace {

constexpr int kShareBits = 32;

/// floor(i p) for p in units of 2^-32.
std::int64_t taken(std::int64_t i, std::uint64_t share) {
  return static_cast<std::int64_t>(static_cast<unsigned __int128>(i) * share >> kShareBits);
}

}  // namespace

SampleOrder::SampleOrder(std::vector<SampleSource> sources, std::uint64_t seed)
    : sources_(std::move(sources)), seed_(seed) {
  double remaining = 0;
  for (const SampleSource& source : sources_) remaining += source.weight;
  for (const SampleSource& source : sources_) {
    const double share = source.weight / remaining;
    const double units = std::round(std::ldexp(share, kShareBits));
    shares_.push_back(std::clamp<std::uint64_t>(static_cast<std::uint64_t>(units), 1, std::uint64_t{1} << kShareBits));
    remaining -= source.weight;
  }
  shares_.back() = std::uint64_t{1} << kShareBits;
}

SampleSlot SampleOrder::at(std::int64_t sample) const {
  SampleSlot slot;
  for (;; ++slot.source) {
    const std::int64_t before = taken(sample, shares_[slot.source]);
    if (taken(sample + 1, shares_[slot.source]) > before) {
      sample = before;
      break;
    }
    sample -= before;
  }
  const SampleSource& source = sources_[slot.source];
  const auto windows = static_cast<std::uint64_t>(source.windows);
  slot.epoch = sample / source.windows;
  const std::uint64_t key = stream_key(seed_, cat("data/", source.name, "/epoch/", slot.epoch));
  slot.window = static_cast<std::int64_t>(permute(windows, key, static_cast<std::uint64_t>(sample % source.windows)));
  return slot;
}

double SampleOrder::share(std::size_t source) const {
  double rest = 1;
  for (std::size_t s = 0;; ++s) {
    const double share = std::ldexp(static_cast<double>(shares_[s]), -kShareBits);
    if (s == source) return rest * share;
    rest *= 1 - share;
  }
}

}  // namespace ingot
