#include "train/evaluation_weights.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace ingot {
namespace {

bool has_constraints(const ParameterStore& store) {
  const auto choices = store.choices();
  return std::any_of(choices.begin(), choices.end(), [](const auto& choice) { return !choice.constraints.empty(); });
}

/// Puts the masters on the sets of constraints that are in force at an update, whose states stay as they are.
void put_on_sets(ParameterStore& store, std::int64_t update) {
  const at::NoGradGuard no_grad;
  std::set<std::string> all;
  std::vector<at::Tensor> kept;
  const auto states = store.constraint_state();
  for (const auto& state : states) {
    all.insert(state.name);
    kept.push_back(state.is_owned() ? state.tensor.clone() : at::Tensor());
  }
  store.begin_constraints(update, all);
  for (std::size_t i = 0; i < states.size(); ++i) {
    if (states[i].is_owned()) at::Tensor(states[i].tensor).copy_(kept[i]);
  }
}

}  // namespace

at::Tensor weights_to_evaluate(TrainRun& run) {
  auto& store = *run.setup.store;
  const at::Tensor flat = run.setup.optimizer->evaluation_weights(run.counters.updates);
  if (flat.defined() && has_constraints(store)) {
    store.exchange_masters(flat);
    put_on_sets(store, run.counters.updates + run.counters.schedule_offset);
    store.exchange_masters(flat);
  }
  return flat;
}

EvaluationWeights::EvaluationWeights(TrainRun& run) : run_(run), others_(weights_to_evaluate(run)) {
  if (!others_.defined()) return;
  run_.setup.store->exchange_masters(others_);
  run_.step->share_weights();
}

void EvaluationWeights::end() {
  if (!others_.defined()) return;
  run_.world.wait_for_all();
  run_.setup.store->exchange_masters(others_);
  run_.step->share_weights();
  others_.reset();
}

}  // namespace ingot
