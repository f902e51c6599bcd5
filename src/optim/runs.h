#pragma once
// Stretches of the flat buffers that an elementwise optimizer updates in one pass.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "device/parallel.h"
#include "optim/optimizer.h"

namespace ingot {

/// Neighbouring slots with one learning rate and decay, as flat views that include the zero padding between them.
struct Run {
  at::Tensor value, grad;          // [n]
  std::vector<at::Tensor> states;  // [n] each
  at::Tensor direction;            // [n], where slots have one
  double lr = 0;
  double weight_decay = 0;
};
/// `with_states`: all states have a number for each weight.
std::vector<Run> runs_of(const std::vector<Slot>& slots, bool with_states = true);
/// Of one slot, with the first `num_states` of its states: those that have a number for each weight.
Run run_of(const Slot& slot, std::size_t num_states);

/// Elements that a thread takes at a time: enough to make up for handing it over.
inline constexpr std::int64_t kUpdateGrain = 1 << 14;

}  // namespace ingot
