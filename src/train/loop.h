#pragma once
// The loop over steps. Private to the train module.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/sampling/prefetch.h"
#include "train/cadence.h"
#include "train/hooks/hooks.h"
#include "train/run_checkpoints.h"
#include "train/stop_requests.h"
#include "train/train_run.h"

namespace ingot {

class TrainLoop {
 public:
  /// All ranks run one, with the same config.
  TrainLoop(const RunConfig& config, const Families& families, std::optional<ResumePoint> resume, World& world,
            RunRecord& record);

  /// kDone or kStopped; throws anything else.
  ExitCode run();
  const Counters& counters() const { return run_.counters; }
  const std::string& stop_reason() const { return stop_reason_; }

 private:
  void open();
  /// Where all ranks are, before the first step: throws Error(kStopped) if any was asked to stop.
  void end_if_stopped();
  void start_prefetch();

  /// Forward and backward of this rank's micro-batches.
  RankTimes accumulate();
  /// Adds up gradients, updates, counts.
  StepResult update();
  /// What is due after the step.
  StepDecision after_step(const StepResult& result, const RankTimes& times);
  /// Whether the run went back to a checkpoint.
  bool handle_skipped(const StepResult& result);

  /// Of the weights to evaluate, with what hooks make of it; the trained ones stand afterwards.
  void evaluate_weights();
  /// None if a request to stop ended it.
  std::optional<std::vector<EvaluationResult>> evaluate_all();
  ExitCode finish(const std::vector<EvaluationResult>& evaluations);
  ExitCode stop(const StepDecision& decision);
  void end_run();

  TrainRun run_;
  StopRequests requests_;
  std::string stop_reason_;
  Hooks hooks_;
  std::unique_ptr<RunCheckpoints> checkpoints_;
  std::unique_ptr<Prefetcher> prefetch_;
  std::unique_ptr<CadenceTimer> log_timer_, evaluation_timer_, checkpoint_timer_;
  StepVerdict verdict_ = StepVerdict::kApply;  // on the last step
};

}  // namespace ingot
