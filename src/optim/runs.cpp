#include "optim/runs.h"

#include <ATen/ops/as_strided.h>

namespace ingot {
namespace {

at::Tensor stretch(const at::Tensor& first, std::int64_t n) { return at::as_strided(first, {n}, {1}); }

double decay_of(const Slot& slot) { return slot.weight_decay * slot.decay_factor; }

bool continues(const Slot& previous, const Slot& slot) {
  return slot.follows && slot.lr == previous.lr && decay_of(slot) == decay_of(previous);
}

Run run_from(const Slot& first, const Slot& last, std::size_t num_states) {
  const std::int64_t n = last.master->offset + last.master->numel - first.master->offset;
  Run run;
  run.value = stretch(first.master->value, n);
  run.grad = stretch(first.master->grad, n);
  for (std::size_t k = 0; k < num_states; ++k) run.states.push_back(stretch(first.states[k], n));
  if (first.direction.defined()) run.direction = stretch(first.direction, n);
  run.lr = first.lr;
  run.weight_decay = decay_of(first);
  return run;
}

}  // namespace

Run run_of(const Slot& slot, std::size_t num_states) { return run_from(slot, slot, num_states); }

std::vector<Run> runs_of(const std::vector<Slot>& slots, bool with_states) {
  std::vector<Run> runs;
  for (std::size_t begin = 0; begin < slots.size();) {
    std::size_t end = begin + 1;
    while (end < slots.size() && continues(slots[end - 1], slots[end])) ++end;
    runs.push_back(run_from(slots[begin], slots[end - 1], with_states ? slots[begin].states.size() : 0));
    begin = end;
  }
  return runs;
}

}  // namespace ingot
