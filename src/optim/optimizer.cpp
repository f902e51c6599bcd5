#include "optim/optimizer.h"

#include <ATen/TensorOperators.h>

#include "base/error.h"
#include "base/text.h"
#include "optim/runs.h"

namespace ingot {

void Optimizer::step(std::vector<Slot>& slots, const UpdateContext& context) const {
  direct(slots, context);
  apply_directions(slots, decay());
}

void apply_directions(std::vector<Slot>& slots, DecayMode decay) {
  for (const auto& run : runs_of(slots, false)) {
    at::Tensor w = run.value;
    if (decay == DecayMode::kDecoupled && run.weight_decay != 0) w.mul_(1 - run.lr * run.weight_decay);
    w.sub_(run.direction, run.lr);
  }
}

void throw_first(const std::string& variant, const SettingsProblems& problems) {
  if (!problems.empty()) throw ConfigError(cat(variant, ": ", problems.front().first, ": ", problems.front().second));
}

}  // namespace ingot
