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

class Constant final : public WarmedUp {
 public:
  Constant(const ConstantConfig& config, const ScheduleContext& context) : WarmedUp(steps_of(config.warmup, context)) {}

 private:
  double after_warmup(double /*t*/) const override { return 1; }
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
