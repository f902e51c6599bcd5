// Warm-up, stable, decay.
//
//   factor(t) = (t + 1)/N                 t < N
//               1                         t < T - D
//               r + (1 - r) f(y)          else, y = (t - (T - D))/D;  f by `shape`, optim/decay_shape.h
//
// t: update from 0, T: updates of the run, N: warm-up, D: decay, at most T - N, r: final ratio. y is below 1 at the
// last update, so its rate lies above r. Everything before T - D does not depend on T: a run may branch off its stable
// part. The shape `exponential` is r^y.
// Hägele et al. 2024 (arXiv:2405.18392), section 3 (cooldown, 1-sqrt); the shapes are those of its released code.

#include "optim/warmup.h"

namespace ingot::wsd_schedule {
namespace {

struct WsdConfig : CooldownConfig {
  DecayShape shape = DecayShape::kSqrt;
};

void describe(Fields& f, WsdConfig& c) {
  describe(f, static_cast<CooldownConfig&>(c));
  f.choice("shape", c.shape, decay_shape_names(),
           "how the rate falls over the share y of the decay: 1-y, 1-sqrt(y), half a cosine, that cosine mirrored at "
           "the straight line, 1-y^2, 2*2^-y-1, or by a constant factor in each update");
}

SettingsProblems validate(const WsdConfig& c) {
  return shape_problems(c.shape, c.final_ratio, "shape", "a final_ratio");
}

class Wsd final : public CooledDown {
 public:
  Wsd(const WsdConfig& config, const ScheduleContext& context) : CooledDown(config, context), shape_(config.shape) {}

 private:
  double way_down(double y, double from, double to) const override { return between(shape_, y, from, to); }
  DecayShape shape_;
};

}  // namespace
}  // namespace ingot::wsd_schedule

namespace ingot {

void register_wsd(Family<ScheduleEntry>& family) {
  auto& entry = add_entry<wsd_schedule::WsdConfig, wsd_schedule::Wsd>(
      family, "wsd", "A warm-up, a stable part, and a decay at the end of the run.",
      "Hägele et al. 2024, arXiv:2405.18392");
  entry.validate = with_settings<wsd_schedule::WsdConfig>(wsd_schedule::validate);
  entry.samples = {"{warmup: 4 steps, decay: 10 steps, shape: linear, final_ratio: 0.1}",
                   "{decay: 10 steps, shape: cosine}", "{decay: 50%, shape: mirror_cosine}",
                   "{decay: 50%, shape: exponential, final_ratio: 0.01}"};
}

}  // namespace ingot
