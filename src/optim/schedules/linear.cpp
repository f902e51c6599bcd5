// Linear decay to the end of the run after a warm-up.
//
//   factor(t) = r + (1 - r) (1 - x)
//
// t: update from 0, x(t): share of the decay that is over, r: final ratio. Warm-up and x follow `alignment`, see
// optim/warmup.h.

#include "optim/warmup.h"

namespace ingot {

void register_linear(Family<ScheduleEntry>& family) {
  add_fall(family, "linear", "A warm-up, then a straight line down to the end of the run.", "", DecayShape::kLinear);
}

}  // namespace ingot
