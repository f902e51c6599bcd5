#include "optim/optimizer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/where.h>

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
    apply_direction(run.value, run.direction, run.lr, run.weight_decay, decay);
  }
}

void apply_direction(at::Tensor w, const at::Tensor& direction, double lr, double weight_decay, DecayMode decay) {
  const double taken = lr * weight_decay;
  if (decay == DecayMode::kDecoupled && taken != 0) w.mul_(1 - taken);
  if (decay == DecayMode::kCautious && taken != 0) {
    w.mul_(at::where((w * direction).ge(0), at::scalar_tensor(1 - taken, w.options()), 1.0));
  }
  w.sub_(direction, lr);
}

void throw_first(const std::string& variant, const SettingsProblems& problems) {
  if (!problems.empty()) throw ConfigError(cat(variant, ": ", problems.front().first, ": ", problems.front().second));
}

}  // namespace ingot
