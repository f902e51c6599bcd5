#pragma once
// All hooks of a run, called as one.

#include <memory>
#include <vector>

#include "train/hooks/hook.h"

namespace ingot {

class Hooks {
 public:
  Hooks() = default;
  /// Those that the config asks for. They keep a reference to `run`, whose data and model are made.
  explicit Hooks(TrainRun& run);

  void begin();
  void on_batch(const Batch& batch);
  void before_exchange();
  /// The gravest of all; kSkip at least where a number is not finite.
  StepVerdict judge(double loss, double grad_norm);
  void before_update();
  void after_step(const StepReport& report);
  void after_evaluation(const std::vector<EvaluationResult>& results);
  void end(ExitCode code);

  /// Their states by name.
  nlohmann::json state();
  /// `state` is a whole state.json. What a hook has no state of there begins afresh.
  void restore(const nlohmann::json& state, Hook::Restored how);

 private:
  std::vector<std::unique_ptr<Hook>> hooks_;
};

}  // namespace ingot
