// A power of time after a knee, so that the rate depends on what was seen and not on how long the run will be.
//
//   factor(t) = (t + 1)/N                 t < N
//               1                         t + 1 <= K
//               ((t + 1)/K)^b             t < T - D
//               p -> r by `shape`         else, y = (t - (T - D))/D;  p: the power at T - D
//
// t: update from 0, N: warm-up, K: knee (without one the warm-up), b: exponent, D: decay, r: final ratio, or p if that
// is less. Shen et al. 2024, "Power Scheduler" (arXiv:2408.13359), whose rate min(η, a β n^b) after n tokens with a
// batch of β has the knee n = (η / (a β))^(1/b), and which decays with the shape `exponential`. OLMo-core's PowerLR has
// the knee at the end of the warm-up and decays in a straight line: the defaults.

#include <algorithm>
#include <cmath>
#include <optional>

#include "optim/warmup.h"

namespace ingot::power_schedule {
namespace {

struct PowerConfig : CooldownConfig {
  PowerConfig() { decay = {10, Duration::Unit::kPercent}; }
  std::optional<Duration> knee;
  double exponent = -0.51;
  DecayShape shape = DecayShape::kLinear;
};

void describe(Fields& f, PowerConfig& c) {
  describe(f, static_cast<CooldownConfig&>(c));
  f.field("knee", c.knee, "where the rate leaves the peak; absent: at the end of the warm-up");
  f.field("exponent", c.exponent, "power of time that the rate follows behind the knee", Rule{}.at_most(0));
  f.choice("shape", c.shape, decay_shape_names(), "how the rate falls at the end, see wsd");
}

SettingsProblems validate(const PowerConfig& c) {
  return shape_problems(c.shape, c.final_ratio, "shape", "a final_ratio");
}

class Power final : public CooledDown {
 public:
  Power(const PowerConfig& config, const ScheduleContext& context)
      : CooledDown(config, context),
        knee_(std::max(1.0, config.knee ? static_cast<double>(steps_of(*config.knee, context)) : warmup())),
        exponent_(config.exponent),
        shape_(config.shape) {}

 private:
  double middle(double t) const override { return std::pow(std::max(1.0, (t + 1) / knee_), exponent_); }
  double way_down(double y, double from, double to) const override { return between(shape_, y, from, to); }

  double knee_, exponent_;
  DecayShape shape_;
};

}  // namespace
}  // namespace ingot::power_schedule

namespace ingot {

void register_power(Family<ScheduleEntry>& family) {
  auto& entry = add_entry<power_schedule::PowerConfig, power_schedule::Power>(
      family, "power", "A warm-up, then a power of time, and a decay at the end of the run.",
      "Shen et al. 2024, arXiv:2408.13359");
  entry.validate = with_settings<power_schedule::PowerConfig>(power_schedule::validate);
  entry.samples = {"{warmup: 4 steps}", "{warmup: 2 steps, knee: 10 steps, final_ratio: 0.01, shape: exponential}"};
}

}  // namespace ingot
