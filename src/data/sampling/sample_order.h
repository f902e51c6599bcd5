#pragma once
// From a global sample index to a window of a source: a pure function, in constant memory.
//
// Mixing. Source s of what remains takes the samples i at which floor(i p) steps, p its share of the remaining weight;
// the other samples, numbered anew, go to the sources after it. Any stretch of samples thus has each source's share up
// to a sample or two, and the number of earlier samples of a source, floor(i p), needs no memory.
// Order within a source. Its k-th sample is window permute(windows, key(seed, name, epoch), k mod windows) of epoch
// k / windows: each window once in an epoch, each epoch in its own order.

#include <cstdint>
#include <string>
#include <vector>

namespace ingot {

struct SampleSource {
  std::string name;          // part of the key: the order does not depend on paths
  std::int64_t windows = 0;  // > 0
  double weight = 1;         // > 0, relative to the other sources
};

struct SampleSlot {
  std::size_t source = 0;
  std::int64_t epoch = 0;
  std::int64_t window = 0;
};

class SampleOrder {
 public:
  SampleOrder(std::vector<SampleSource> sources, std::uint64_t seed);

  /// Precondition: sample >= 0.
  SampleSlot at(std::int64_t sample) const;
  /// Share of the samples that a source gets.
  double share(std::size_t source) const;

 private:
  std::vector<SampleSource> sources_;
  std::vector<std::uint64_t> shares_;  // of what remains, in units of 2^-32
  std::uint64_t seed_;
};

}  // namespace ingot
