// Warm-up, stable, decay.
//
//   factor(t) = (t + 1)/N                 t < N
//               1                         t < T - D
//               r + (1 - r) f(y)          else, y = (t - (T - D))/D;  f(y) = 1 - y, 1 - sqrt(y) or (1 + cos(pi y))/2
//
// t: update from 0, T: updates of the run, N: warm-up, D: decay, at most T - N, r: final ratio. y is below 1 at the
// last update, so its rate lies above r. Everything before T - D does not depend on T: a run may branch off its stable
// part.
// Hägele et al. 2024 (arXiv:2405.18392), section 3 (cooldown, 1-sqrt).

#include "optim/warmup.h"

namespace ingot::wsd_schedule {
namespace {

struct WsdConfig {
  Duration warmup = Duration::of_steps(0);
  Duration decay = {20, Duration::Unit::kPercent};
  DecayShape shape = DecayShape::kSqrt;
  double final_ratio = 0;
};

void describe(Fields& f, WsdConfig& c) {
  f.field("warmup", c.warmup, "rise from near 0 to the peak rate");
  f.field("decay", c.decay, "fall at the end of the run");
  f.choice("shape", c.shape, decay_shape_names(), "how the rate falls: 1-y, 1-sqrt(y) or half a cosine");
  f.field("final_ratio", c.final_ratio, "rate that the fall leads to, as a share of the peak",
          Rule{}.at_least(0).at_most(1));
}

class Wsd final : public Schedule {
 public:
  Wsd(const WsdConfig& config, const ScheduleContext& context)
      : ramp_(steps_of(config.warmup, context), context.total_steps, false),
        shape_(config.shape),
        final_ratio_(config.final_ratio),
        phases_{ramp_.warmup(), steps_of(config.decay, context)},
        decay_(std::min(*phases_.decay, ramp_.decay())),
        start_(context.total_steps - decay_) {}

  double factor(std::int64_t t) const override {
    if (ramp_.warming_up(t)) return ramp_.warmup_factor(t);
    if (t < start_) return 1;
    const double y = static_cast<double>(t - start_) / static_cast<double>(decay_);
    return final_ratio_ + (1 - final_ratio_) * decay_shape(shape_, y);
  }
  SchedulePhases phases() const override { return phases_; }

 private:
  Ramp ramp_;
  DecayShape shape_;
  double final_ratio_;
  SchedulePhases phases_;
  std::int64_t decay_;
  std::int64_t start_;
};

}  // namespace
}  // namespace ingot::wsd_schedule

namespace ingot {

void register_wsd(Family<ScheduleEntry>& family) {
  add_entry<wsd_schedule::WsdConfig, wsd_schedule::Wsd>(family, "wsd",
                                                        "A warm-up, a stable part, and a decay at the end of the run.",
                                                        "Hägele et al. 2024, arXiv:2405.18392")
      .samples = {"{warmup: 4 steps, decay: 10 steps, shape: linear, final_ratio: 0.1}",
                  "{decay: 10 steps, shape: cosine}"};
}

}  // namespace ingot
