#include "params/weights_config.h"

#include "config/fields.h"

namespace ingot {

void describe(Fields& f, WeightOverride& c) {
  f.field("match", c.match, "the parameters that this entry changes", Rule{}.required());
  f.field("parametrization", c.parametrization, "in place of `weights.parametrization`");
  f.field("constraints", c.constraints, "in place of `weights.constraints`; [] for none");
  f.field("init", c.init, "in place of `weights.init` and of a start value that the module fixes");
}

void describe(Fields& f, WeightsConfig& c) {
  f.field("parametrization", c.parametrization, "how the weight that the model uses follows from what is trained");
  f.field("constraints", c.constraints, "rules that every update makes the weights obey again, in this order");
  f.field("penalties", c.penalties, "terms of the loss that depend on weights alone, each on what its `match` selects");
  f.field("init", c.init, "start values of parameters whose module does not fix them");
  f.field("output_init_factor", c.output_init_factor,
          "multiplies the start values of matrices that write to the stream; hyper_connections brings the factor of "
          "its paper",
          Rule{}.at_least(0));
  f.choice("scaling", c.scaling, {{"standard", Scaling::kStandard}},
           "how learning rates and start values follow the width: standard leaves them as they are written");
  f.field("overrides", c.overrides, "changes for some parameters, in order; later ones win, key by key");
}

}  // namespace ingot
