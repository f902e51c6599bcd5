// The root of the warm-up over time after a warm-up: no end has to be known.
//
//   factor(t) = (t + 1)/N  for t < N,  then  r + (1 - r) sqrt(N / (t + 1))
//
// t: update from 0, N: warm-up in updates (at least 1), r: final ratio, which is approached without end. Vaswani et al.
// 2017 (arXiv:1706.03762), equation 3, with the peak at the end of the warm-up set to the learning rate.

#include <algorithm>
#include <cmath>

#include "optim/warmup.h"

namespace ingot::inverse_sqrt_schedule {
namespace {

struct InverseSqrtConfig {
  Duration warmup = Duration::of_steps(100);
  double final_ratio = 0;
};

void describe(Fields& f, InverseSqrtConfig& c) {
  f.field("warmup", c.warmup, "rise from near 0 to the peak rate; also the time scale of the fall");
  f.field("final_ratio", c.final_ratio, "share of the peak that the rate falls towards", Rule{}.at_least(0).at_most(1));
}

class InverseSqrt final : public WarmedUp {
 public:
  InverseSqrt(const InverseSqrtConfig& config, const ScheduleContext& context)
      : WarmedUp(std::max<std::int64_t>(1, steps_of(config.warmup, context))), final_ratio_(config.final_ratio) {}

 private:
  double after_warmup(double t) const override {
    return final_ratio_ + (1 - final_ratio_) * std::sqrt(warmup() / (t + 1));
  }
  double final_ratio_;
};

}  // namespace
}  // namespace ingot::inverse_sqrt_schedule

namespace ingot {

void register_inverse_sqrt(Family<ScheduleEntry>& family) {
  add_entry<inverse_sqrt_schedule::InverseSqrtConfig, inverse_sqrt_schedule::InverseSqrt>(
      family, "inverse_sqrt", "A warm-up, then a fall with the square root of time.",
      "Vaswani et al. 2017, arXiv:1706.03762")
      .samples = {"{warmup: 3 steps, final_ratio: 0.1}"};
}

}  // namespace ingot
