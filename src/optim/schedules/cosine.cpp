// Half a cosine to the end of the run after a warm-up.
//
//   factor(t) = r + (1 - r) (1 + cos(pi x)) / 2
//
// t: update from 0, x(t): share of the decay that is over, r: final ratio. Warm-up and x follow `alignment`, see
// optim/warmup.h. Loshchilov & Hutter 2017 (arXiv:1608.03983), equation 5 without restarts.

#include "optim/warmup.h"

namespace ingot::cosine_schedule {
namespace {

struct CosineConfig : DecayConfig {};

class Cosine final : public Schedule {
 public:
  Cosine(const CosineConfig& config, const ScheduleContext& context)
      : ramp_(config, context), final_ratio_(config.final_ratio) {}

  double factor(std::int64_t t) const override {
    if (ramp_.warming_up(t)) return ramp_.warmup_factor(t);
    return final_ratio_ + (1 - final_ratio_) * decay_shape(DecayShape::kCosine, ramp_.progress(t));
  }
  SchedulePhases phases() const override { return {ramp_.warmup(), ramp_.decay()}; }

 private:
  Ramp ramp_;
  double final_ratio_;
};

}  // namespace
}  // namespace ingot::cosine_schedule

namespace ingot {

void register_cosine(Family<ScheduleEntry>& family) {
  add_entry<cosine_schedule::CosineConfig, cosine_schedule::Cosine>(
      family, "cosine", "A warm-up, then half a cosine down to the end of the run.",
      "Loshchilov & Hutter 2017, arXiv:1608.03983")
      .samples = {"{warmup: 5 steps, final_ratio: 0.1}", "{warmup: 5 steps, alignment: nanogpt}"};
}

}  // namespace ingot
