#pragma once
// What the schedules share: durations in steps, the warm-up, progress through the decay.

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "config/fields.h"
#include "config/units.h"
#include "optim/optimizer.h"

namespace ingot {

/// Rounded up. Throws ConfigError if the context lacks what the unit needs.
std::int64_t steps_of(const Duration& duration, const ScheduleContext& context);

/// Which update is the first at the peak, and which one reaches the final ratio. T: updates of the run, N: warm-up.
///   standard  warm-up (t + 1)/N, so 1 at t = N - 1. Progress (t + 1 - N)/(T - N), which is 1 at the last update; if
///             the final ratio is 0, (t - N)/(T - N), which would be 1 at t = T: no update is wasted on a rate of 0.
///             The published form (arXiv:1608.03983) and PyTorch's with T_max = T do the same
///   nanogpt   warm-up (t + 1)/(N + 1), so 1 at t = N. Progress (t - N)/(T - N), which would be 1 at t = T: a run of
///             nanoGPT with lr_decay_iters = max_iters = T
enum class Alignment { kStandard, kNanogpt };
const std::vector<std::pair<std::string, Alignment>>& alignment_names();

/// Fields of a schedule that warms up and then decays until the end of the run.
struct DecayConfig {
  Duration warmup = Duration::of_steps(0);
  double final_ratio = 0;
  Alignment alignment = Alignment::kStandard;
};
void describe(Fields& f, DecayConfig& c);

/// Warm-up and progress for 0-based updates t.
class Ramp {
 public:
  Ramp(std::int64_t warmup, std::int64_t total, bool reaches_end, Alignment alignment = Alignment::kStandard)
      : warmup_(warmup), total_(total), reaches_end_(reaches_end), alignment_(alignment) {}
  Ramp(const DecayConfig& config, const ScheduleContext& context);

  bool warming_up(std::int64_t t) const { return t < warmup_; }
  std::int64_t warmup() const { return warmup_; }
  /// Updates of the decay.
  std::int64_t decay() const { return std::max<std::int64_t>(0, total_ - warmup_); }
  double warmup_factor(std::int64_t t) const;
  /// Share of the decay that is over, 0 to 1. Precondition: not warming up.
  double progress(std::int64_t t) const;

 private:
  std::int64_t warmup_;
  std::int64_t total_;
  bool reaches_end_;
  Alignment alignment_;
};

/// A fall from 1 to 0 while y goes from 0 to 1.
enum class DecayShape { kLinear, kSqrt, kCosine };
const std::vector<std::pair<std::string, DecayShape>>& decay_shape_names();
double decay_shape(DecayShape shape, double y);

}  // namespace ingot
