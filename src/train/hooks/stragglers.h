#pragma once
// Which ranks hold the others up.

#include <cstdint>
#include <string>
#include <vector>

#include "train/ranks.h"

namespace ingot {

class StragglerWatch {
 public:
  /// `hosts` by rank.
  explicit StragglerWatch(std::vector<std::string> hosts) : hosts_(std::move(hosts)), sums_(hosts_.size()) {}

  void add(const std::vector<RankTimes>& step);
  /// One line on the ranks that took more than 1.2 times the median since the last call, "" if there is none:
  /// "slow over 100 steps: rank 3 (node-7) computes 1.5 times as long as the median".
  std::string take_report();
  std::int64_t steps() const { return steps_; }

 private:
  std::vector<std::string> hosts_;
  std::vector<RankTimes> sums_;
  std::int64_t steps_ = 0;
};

}  // namespace ingot
