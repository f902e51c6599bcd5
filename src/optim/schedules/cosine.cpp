// Half a cosine to the end of the run after a warm-up.
//
//   factor(t) = r + (1 - r) (1 + cos(pi x)) / 2
//
// t: update from 0, x(t): share of the decay that is over, r: final ratio. Warm-up and x follow `alignment`, see
// optim/warmup.h. Loshchilov & Hutter 2017 (arXiv:1608.03983), equation 5 without restarts.

#include "optim/warmup.h"

namespace ingot {

void register_cosine(Family<ScheduleEntry>& family) {
  add_fall(family, "cosine", "A warm-up, then half a cosine down to the end of the run.",
           "Loshchilov & Hutter 2017, arXiv:1608.03983", DecayShape::kCosine);
}

}  // namespace ingot
