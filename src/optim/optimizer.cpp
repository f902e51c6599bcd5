#include "optim/optimizer.h"

#include <ATen/TensorOperators.h>

#include "optim/runs.h"

namespace ingot {

void Optimizer::step(std::vector<Slot>& slots, const UpdateContext& context) const {
  direct(slots, context);
  apply_directions(slots, decay());
}

void apply_directions(std::vector<Slot>& slots, DecayMode decay) {
  for (const auto& run : runs_of(slots)) {
    at::Tensor w = run.value;
    if (decay == DecayMode::kDecoupled && run.weight_decay != 0) w.mul_(1 - run.lr * run.weight_decay);
    w.sub_(run.direction, run.lr);
  }
}

}  // namespace ingot
