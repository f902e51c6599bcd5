#pragma once
// What happens around the steps of a run: watching, logging, recording, guarding. A hook is one object with state of
// its own; the loop calls it at fixed moments, on every rank, and checkpoints keep what it remembers.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "eval/evaluate.h"
#include "train/ranks.h"
#include "train/train_run.h"

namespace ingot {

/// What becomes of a step's update, the mildest first.
enum class StepVerdict { kApply, kSkip, kRewind, kStop };

/// What a step was, once all ranks know of it.
struct StepReport {
  const StepResult& result;
  const std::vector<RankTimes>& times;  // by rank
  bool rewound = false;                 // the run went back: the counters are those of the checkpoint
  bool log = false;                     // a line of the log is due
};

class Hook {
 public:
  virtual ~Hook() = default;
  /// Key of its state in checkpoints.
  virtual std::string name() const = 0;

  /// Weights and counters are those that the run begins with.
  virtual void begin() {}
  /// Before each batch of this rank.
  virtual void on_batch(const Batch& /*batch*/) {}
  /// This rank has its share of step `counters.step` + 1; no other rank has heard of it.
  virtual void before_exchange() {}
  /// What it makes of a step's loss and gradient norm, before the update; the same on all ranks. The gravest verdict
  /// counts.
  virtual StepVerdict judge(double /*loss*/, double /*grad_norm*/) { return StepVerdict::kApply; }
  /// The update will be applied. Gradients of the masters are summed over the ranks; weights are still the old ones.
  virtual void before_update() {}
  /// Counters and weights are those after the step, applied or not.
  virtual void after_step(const StepReport& /*report*/) {}
  /// Held-out losses are known, within the run.
  virtual void after_evaluation(const std::vector<EvaluationResult>& /*results*/) {}
  /// `state` is about to be asked for.
  virtual void before_save() {}
  /// The last checkpoint is written: kDone or kStopped.
  virtual void end(ExitCode /*code*/) {}

  /// Null: it remembers nothing.
  virtual nlohmann::json state() const { return {}; }
  /// From a checkpoint of this run, before `begin`; or where the run went back to it, after a step.
  enum class Restored { kResumed, kRewound };
  virtual void restore(const nlohmann::json& /*state*/, Restored /*how*/) {}
};

}  // namespace ingot
