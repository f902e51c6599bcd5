// Linear decay to the end of the run after a warm-up.
//
//   factor(t) = r + (1 - r) (1 - x)
//
// t: update from 0, x(t): share of the decay that is over, r: final ratio. Warm-up and x follow `alignment`, see
// optim/warmup.h.

#include "optim/warmup.h"

namespace ingot::linear_schedule {
namespace {

struct LinearConfig : DecayConfig {};

class Linear final : public Schedule {
 public:
  Linear(const LinearConfig& config, const ScheduleContext& context)
      : ramp_(config, context), final_ratio_(config.final_ratio) {}

  double factor(std::int64_t t) const override {
    if (ramp_.warming_up(t)) return ramp_.warmup_factor(t);
    return final_ratio_ + (1 - final_ratio_) * decay_shape(DecayShape::kLinear, ramp_.progress(t));
  }
  SchedulePhases phases() const override { return {ramp_.warmup(), ramp_.decay()}; }

 private:
  Ramp ramp_;
  double final_ratio_;
};

}  // namespace
}  // namespace ingot::linear_schedule

namespace ingot {

void register_linear(Family<ScheduleEntry>& family) {
  add_entry<linear_schedule::LinearConfig, linear_schedule::Linear>(
      family, "linear", "A warm-up, then a straight line down to the end of the run.", "")
      .samples = {"{warmup: 5 steps, final_ratio: 0.1}", "{warmup: 5 steps, alignment: nanogpt}"};
}

}  // namespace ingot
