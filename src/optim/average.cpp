#include "optim/average.h"

namespace ingot {

void describe(Fields& f, AverageScope& c) {
  f.field("match", c.match, "parameters that are averaged; of the rest the trained weights are evaluated");
  f.field("start", c.start, "updates before the first whose weights enter", Rule{}.at_least(0));
  f.field("every", c.every, "updates from one time that weights enter to the next", Rule{}.at_least(1));
  f.field("blend", c.blend, "share of the average in what is evaluated; the rest is of the trained weights",
          Rule{}.above(0).at_most(1));
}

}  // namespace ingot
