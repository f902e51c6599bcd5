#pragma once
// The loop over steps. Private to the train module.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "checkpoint/saver.h"
#include "data/data_module.h"
#include "data/prefetch.h"
#include "train/cadence.h"
#include "train/evaluate.h"
#include "train/experiment.h"
#include "train/ranks.h"
#include "train/resume.h"
#include "train/run_record.h"
#include "train/sample_log.h"
#include "train/start_point.h"
#include "train/step.h"

namespace ingot {

class TrainLoop {
 public:
  /// All ranks run one, with the same config.
  TrainLoop(const RunConfig& config, const Families& families, std::optional<ResumePoint> resume, World& world,
            RunRecord& record);

  /// kDone or kStopped; throws anything else.
  ExitCode run();
  const Counters& counters() const { return counters_; }
  const std::string& stop_reason() const { return stop_reason_; }

 private:
  /// What happened since the last logged line.
  struct Window {
    double loss_sum = 0;
    double z_loss_sum = 0;
    std::int64_t targets = 0;
    std::int64_t steps = 0;
    double data_wait = 0;
    double reduce_busy = 0, reduce_hidden = 0, reduce_waited = 0;
    Clock::time_point start = Clock::now();
  };

  void open();
  void open_data();
  void make_model();
  void check_prompts() const;
  void open_saver();
  void load_start();
  void start_from(const StartFrom& from);
  bool shares_masters() const { return experiment_.shards != nullptr; }
  void check_shared_folder();
  void load(const fs::path& checkpoint, LoadWhat what);
  void load_weights(const fs::path& checkpoint);
  void share_start();
  void begin_record();
  void say_what_the_launch_does();
  void measure_network();
  void start_prefetch();
  StepResult one_step(StepNews& news);
  StepDecision after_step(const StepResult& result, StepNews& news);
  bool accepts(double loss, double grad_norm);
  /// Whether the run went back to a checkpoint.
  bool handle_skipped(const StepResult& result);
  void rewind(const std::string& reason);
  void log_window(const StepResult& last);
  void show_progress();
  /// What asks this rank to stop.
  StopReason stop_request() const;
  /// Whether any rank was asked, as far as this one knows: for ending work early.
  bool should_stop() const;
  /// Where all ranks are, before the first step: throws Error(kStopped) if any was asked to stop.
  void end_if_stopped();
  /// None if a request to stop ended it.
  std::optional<std::vector<EvaluationResult>> evaluate_all();
  ExitCode finish(const std::vector<EvaluationResult>& evaluations);
  ExitCode stop(const StepDecision& decision);
  void show_samples();
  void probe_stream();
  CheckpointState checkpoint_state(bool finished);
  void save(bool finished);
  void end_run();
  void write_running_status();
  double seconds_left() const;
  std::optional<double> mfu(double tokens_per_second) const;

  RunConfig config_;
  const Families& families_;
  std::optional<ResumePoint> resume_;
  World& world_;
  RunRecord& record_;
  fs::path dir_;
  Clock::time_point started_ = Clock::now();
  std::string stop_reason_;

  std::optional<DataModule> data_;
  StartPoint start_;  // on rank 0 of a run that begins with a checkpoint
  Experiment experiment_;
  std::unique_ptr<TrainStep> step_;
  std::unique_ptr<CheckpointSaver> saver_;  // on rank 0, or on all where they share masters
  std::unique_ptr<Prefetcher> prefetch_;
  std::unique_ptr<CadenceTimer> log_timer_, evaluation_timer_, checkpoint_timer_, stream_timer_;
  std::unique_ptr<StragglerWatch> stragglers_;
  std::optional<SpikeGuard> spikes_;
  StepVerdict verdict_ = StepVerdict::kApply;  // of `spikes_` on the last step
  std::unique_ptr<SampleLog> sample_log_;
  Counters counters_;
  Window window_;
  double smooth_step_seconds_ = 0;
  double peak_gflops_ = 0;      // of all ranks
  double flops_per_token_ = 0;  // forward and backward
  double last_loss_ = 0;
  std::int64_t saved_step_ = -1;
};

}  // namespace ingot
