#pragma once
// Losses that leap: skip the step, then go back to the last checkpoint and pass over the batches since, then stop.

#include <cstdint>
#include <deque>
#include <nlohmann/json.hpp>

#include "config/fields.h"

namespace ingot {

struct SpikeSettings {
  std::int64_t window = 128;
  double sigma = 6;
  std::int64_t skips = 2;
  std::int64_t rewinds = 1;
};
void describe(Fields& f, SpikeSettings& c);

enum class StepVerdict { kApply, kSkip, kRewind, kStop };

/// A step whose loss is not finite, or above mean + sigma × standard deviation of the last `window` applied steps, is not
/// applied. The first `skips` of them are skipped, the next `rewinds` rewound, one more stops the run; after `window` good
/// steps in a row the count starts afresh. Until `window` losses are known only those that are not finite count.
class SpikeGuard {
 public:
  explicit SpikeGuard(const SpikeSettings& settings) : settings_(settings) {}

  /// The same on every rank, which all give the same numbers. A step that is applied enters the window.
  StepVerdict judge(double loss, double grad_norm);
  /// The loss above which a step is a spike; infinite while too few are known.
  double limit() const;

  nlohmann::json state() const;
  void restore(const nlohmann::json& state);

 private:
  SpikeSettings settings_;
  std::deque<double> losses_;
  std::int64_t troubles_ = 0;
  std::int64_t calm_ = 0;  // good steps in a row
};

}  // namespace ingot
