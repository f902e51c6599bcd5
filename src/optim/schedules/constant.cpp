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
  using constant_schedule::ConstantConfig;
  auto& entry = family.add<ConstantConfig>("constant", "A warm-up, then the peak rate.", "");
  entry.make = with_settings<ConstantConfig>([](const ConstantConfig& c, const ScheduleContext& context) {
    return std::make_unique<constant_schedule::Constant>(c, context);
  });
}

}  // namespace ingot
