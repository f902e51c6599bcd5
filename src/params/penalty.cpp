#include "params/penalty.h"

#include "config/fields.h"

namespace ingot {

void describe_common(Fields& f, PenaltySettings& c) {
  f.field("weight", c.weight, "what the penalty is multiplied with in the loss", Rule{}.above(0).required());
  f.field("match", c.match, "the parameters that it acts on; absent: all that it is defined for");
}

}  // namespace ingot
