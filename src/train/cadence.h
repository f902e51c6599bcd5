#pragma once
// When something that happens "every …" is due.

#include <chrono>
#include <optional>

#include "config/units.h"

namespace ingot {

/// Due at multiples of a number of steps, or when wall time has passed since it was last due.
class CadenceTimer {
 public:
  /// No cadence: never due. Throws ConfigError if the duration cannot be turned into steps.
  CadenceTimer(const std::optional<Cadence>& cadence, const DurationContext& context);

  /// Asked once after each step.
  bool due(std::int64_t step);
  /// 0 if it goes by time or never.
  std::int64_t steps() const { return steps_; }

 private:
  using Clock = std::chrono::steady_clock;
  std::int64_t steps_ = 0;
  double seconds_ = 0;
  Clock::time_point last_ = Clock::now();
};

}  // namespace ingot
