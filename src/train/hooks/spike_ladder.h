#pragma once
// Losses that leap: skip the step, then go back to the last checkpoint and pass over the batches since, then stop.

#include <cstdint>
#include <deque>

#include "train/hooks/hook.h"

namespace ingot {

/// A step whose loss is not finite, or above mean + sigma × standard deviation of the last `window` applied steps, is
/// not applied. The first `skips` of them are skipped, the next `rewinds` rewound, one more stops the run; after
/// `window` good steps in a row the count starts afresh. Until `window` losses are known only those that are not finite
/// count.
class SpikeLadder final : public Hook {
 public:
  explicit SpikeLadder(const SpikeSettings& settings) : settings_(settings) {}
  std::string name() const override { return "spikes"; }

  /// A step that is applied enters the window.
  StepVerdict judge(double loss, double grad_norm) override;
  /// The loss above which a step is a spike; infinite while too few are known.
  double limit() const;

  nlohmann::json state() const override;
  /// A run that goes back keeps what it knows: else it would go back for ever.
  void restore(const nlohmann::json& state, Restored how) override;

 private:
  SpikeSettings settings_;
  std::deque<double> losses_;
  std::int64_t troubles_ = 0;
  std::int64_t calm_ = 0;  // good steps in a row
};

}  // namespace ingot
