// Flat, then a power of the time that is left.
//
//   factor(t) = (t + 1)/N                 t < N
//               1                         t < T - D
//               r + (1 - r) (1 - y)^p     else, y = (t - (T - D))/D
//
// t: update from 0, T: updates of the run, N: warm-up, D: decay, at most T - N, r: final ratio, p: power. With r = 0
// this is min(1, c (T - t)^p) with c = D^-p, the form of the records of modded-nanogpt (track 3, from number 20 on),
// which have p = 1.2 and D near 0.8 T for matrices, 0.5 T for the rest.

#include <cmath>

#include "optim/warmup.h"

namespace ingot::power_cool {
namespace {

struct PowerCoolConfig : CooldownConfig {
  PowerCoolConfig() { decay = {80, Duration::Unit::kPercent}; }
  double power = 1.2;
};

void describe(Fields& f, PowerCoolConfig& c) {
  describe(f, static_cast<CooldownConfig&>(c));
  f.field("power", c.power, "of the share of the decay that is left", Rule{}.above(0));
}

class PowerCool final : public CooledDown {
 public:
  PowerCool(const PowerCoolConfig& config, const ScheduleContext& context)
      : CooledDown(config, context), power_(config.power) {}

 private:
  double way_down(double y, double from, double to) const override {
    return to + (from - to) * std::pow(1 - y, power_);
  }
  double power_;
};

}  // namespace
}  // namespace ingot::power_cool

namespace ingot {

void register_power_cool(Family<ScheduleEntry>& family) {
  add_entry<power_cool::PowerCoolConfig, power_cool::PowerCool>(
      family, "power_cool", "Flat, then a power of the time that is left.", "modded-nanogpt")
      .samples = {"{warmup: 4 steps, decay: 50%, power: 2, final_ratio: 0.1}"};
}

}  // namespace ingot
