#include "params/constraint.h"

#include <ATen/ops/zeros.h>

#include "config/fields.h"

namespace ingot {

void describe(Fields& f, ConstraintSchedule& c) {
  f.field("start", c.start,
          "how long the weights stay free at the beginning; without it they are constrained from the start",
          Rule{}.at_least(0));
  f.field("every", c.every, "updates from one time to the next; without it after each", Rule{}.at_least(1));
}

std::vector<at::Tensor> make_states(const Constraint& constraint, const ParamInfo& info,
                                    const at::TensorOptions& options) {
  std::vector<at::Tensor> states;
  for (const auto& state : constraint.states(info)) states.push_back(at::zeros(state.shape, options));
  return states;
}

}  // namespace ingot
