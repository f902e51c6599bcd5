#pragma once
// What the schedules share: durations in steps, the warm-up, and ways down to the end of the run.

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "config/fields.h"
#include "config/units.h"
#include "optim/decay_shape.h"
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

/// Rises in a straight line over the first N updates; what follows is the schedule's own.
class WarmedUp : public Schedule {
 public:
  double factor(double t) const final { return t < warmup_ ? std::min(1.0, (t + 1) / rise_) : after_warmup(t); }
  SchedulePhases phases() const override { return {static_cast<std::int64_t>(warmup_)}; }

 protected:
  explicit WarmedUp(std::int64_t warmup, Alignment alignment = Alignment::kStandard)
      : warmup_(static_cast<double>(warmup)), rise_(warmup_ + (alignment == Alignment::kNanogpt ? 1 : 0)) {}

  double warmup() const { return warmup_; }
  virtual double after_warmup(double t) const = 0;

 private:
  double warmup_, rise_;
};

/// Settings of a schedule that warms up and then falls until the end of the run.
struct DecayConfig {
  Duration warmup = Duration::of_steps(0);
  double final_ratio = 0;
  Alignment alignment = Alignment::kStandard;
};
void describe(Fields& f, DecayConfig& c);

/// Such a schedule.
void add_fall(Family<ScheduleEntry>& family, std::string name, std::string summary, std::string paper,
              DecayShape shape);

/// Settings of a schedule with a way down at the end of the run alone.
struct CooldownConfig {
  Duration warmup = Duration::of_steps(0);
  Duration decay = {20, Duration::Unit::kPercent};
  double final_ratio = 0;
};
void describe(Fields& f, CooldownConfig& c);

/// Warm-up, a middle part, and in the last D updates, or what the warm-up leaves of them, a way down from wherever the
/// middle part is by then. y = (t - (T - D))/D, so that the last update's rate lies above the final one. Everything
/// before T - D does not depend on T: a run may branch off there.
class CooledDown : public WarmedUp {
 public:
  SchedulePhases phases() const override { return phases_; }

 protected:
  CooledDown(const CooldownConfig& config, const ScheduleContext& context);

  virtual double middle(double /*t*/) const { return 1; }
  virtual double way_down(double y, double from, double to) const = 0;

 private:
  double after_warmup(double t) const final;

  SchedulePhases phases_;
  double final_ratio_, decay_, start_;
};

}  // namespace ingot
