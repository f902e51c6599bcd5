// The peak rate after a warm-up.
//
//   factor(t) = (t + 1)/N for t < N, then 1        t: update from 0, N: warm-up in updates

#include "optim/warmup.h"

namespace ingot::constant_schedule {
namespace {

struct ConstantConfig {
  Duration warmup = Duration::of_steps(0);
};

void describe(Fields& f, ConstantConfig& c) { f.field("warmup", c.warmup, "rise from near 0 to the peak rate"); }

class Constant final : public Schedule {
 public:
  Constant(const ConstantConfig& config, const ScheduleContext& context)
      : ramp_(steps_of(config.warmup, context), context.total_steps, false) {}
  double factor(std::int64_t t) const override { return ramp_.warming_up(t) ? ramp_.warmup_factor(t) : 1; }
  SchedulePhases phases() const override { return {ramp_.warmup()}; }

 private:
  Ramp ramp_;
};

}  // namespace
}  // namespace ingot::constant_schedule

namespace ingot {

void register_constant(Family<ScheduleEntry>& family) {
  add_entry<constant_schedule::ConstantConfig, constant_schedule::Constant>(family, "constant",
                                                                            "A warm-up, then the peak rate.", "")
      .samples = {"{warmup: 5 steps}"};
}

}  // namespace ingot
