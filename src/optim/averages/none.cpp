// No average: the trained weights are evaluated.

#include "optim/average.h"

namespace ingot {

void register_none(Family<AverageEntry>& family) {
  add_entry<NoSettings, void>(family, "none", "Evaluates the weights as they are trained.", "");
}

}  // namespace ingot
