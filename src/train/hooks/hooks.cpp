#include "train/hooks/hooks.h"

#include <algorithm>

#include "train/hooks/all.h"

namespace ingot {

Hooks::Hooks(TrainRun& run) {
  // In this order they are called: a line of the log says what the step was, then what was measured of it.
  for (const auto make : {make_sample_log, make_nonfinite_guard, make_spike_ladder, make_training_log, make_stragglers,
                          make_weights_check, make_sample_texts, make_probes}) {
    if (auto hook = make(run)) hooks_.push_back(std::move(hook));
  }
}

void Hooks::begin() {
  for (const auto& hook : hooks_) hook->begin();
}

void Hooks::on_batch(const Batch& batch) {
  for (const auto& hook : hooks_) hook->on_batch(batch);
}

void Hooks::before_exchange() {
  for (const auto& hook : hooks_) hook->before_exchange();
}

StepVerdict Hooks::judge(double loss, double grad_norm) {
  auto verdict = TrainStep::is_finite(loss, grad_norm) ? StepVerdict::kApply : StepVerdict::kSkip;
  for (const auto& hook : hooks_) verdict = std::max(verdict, hook->judge(loss, grad_norm));
  return verdict;
}

void Hooks::before_update() {
  for (const auto& hook : hooks_) hook->before_update();
}

void Hooks::after_step(const StepReport& report) {
  for (const auto& hook : hooks_) hook->after_step(report);
}

void Hooks::after_evaluation(const std::vector<EvaluationResult>& results) {
  for (const auto& hook : hooks_) hook->after_evaluation(results);
}

void Hooks::end(ExitCode code) {
  for (const auto& hook : hooks_) hook->end(code);
}

nlohmann::json Hooks::state() {
  auto out = nlohmann::json::object();
  for (const auto& hook : hooks_) {
    hook->before_save();
    if (auto state = hook->state(); !state.is_null()) out[hook->name()] = std::move(state);
  }
  return out;
}

void Hooks::restore(const nlohmann::json& state, Hook::Restored how) {
  const auto found = state.find("hooks");
  // Earlier checkpoints have a hook's state beside the counters.
  const auto& states = found != state.end() ? *found : state;
  for (const auto& hook : hooks_) {
    if (const auto own = states.find(hook->name()); own != states.end()) hook->restore(*own, how);
  }
}

}  // namespace ingot
