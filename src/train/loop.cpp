#include "train/loop.h"

#include <algorithm>
#include <cmath>

#include "base/log.h"
#include "base/stop_signals.h"
#include "base/text.h"
#include "config/dump.h"
#include "device/gpu.h"
#include "device/machine.h"
#include "train/generate.h"
#include "train/micro_batches.h"
#include "train/report.h"
#include "train/stop_file.h"

namespace ingot {
namespace {

/// Steps after which the time of a step is known well enough.
constexpr std::int64_t kStepsToEstimate = 5;
/// Steps over which slow ranks are looked for.
constexpr std::int64_t kStragglerSteps = 100;

}  // namespace

TrainLoop::TrainLoop(const RunConfig& config, const Families& families, std::optional<ResumePoint> resume, World& world,
                     RunRecord& record)
    : config_(config),
      families_(families),
      resume_(std::move(resume)),
      world_(world),
      record_(record),
      dir_(config.run.dir) {}

ExitCode TrainLoop::run() {
  open();
  StepDecision decision;
  while (counters_.step < experiment_.total_steps && decision.stop == StopReason::kNone) {
    StepNews news;
    const auto result = one_step(news);
    decision = after_step(result, news);
  }
  record_.clear_progress();
  prefetch_.reset();
  if (counters_.step == experiment_.total_steps) {
    if (const auto evaluations = evaluate_all()) return finish(*evaluations);
    StepNews news;
    news.stop = stop_request();
    decision = decide(world_, news);
  }
  return stop(decision);
}

ExitCode TrainLoop::stop(const StepDecision& decision) {
  stop_reason_ = stop_text(decision.stop);
  if (decision.stop_rank != 0) stop_reason_ += cat(" to rank ", decision.stop_rank);
  record_.say(cat("stopping on ", stop_reason_, " after step ", counters_.step, ": saving"));
  save(false);
  end_run();
  record_.say(cat("saved ", checkpoint_path(dir_, counters_.step).string(), "; run the same command again to go on"));
  return ExitCode::kStopped;
}

ExitCode TrainLoop::finish(const std::vector<EvaluationResult>& evaluations) {
  save(true);
  end_run();
  nlohmann::ordered_json summary = {
      {"steps", counters_.step}, {"tokens", counters_.tokens}, {"seconds", counters_.seconds}};
  for (const auto& result : evaluations) {
    summary["evaluation"][result.name] = {{"loss", result.loss}, {"tokens", result.tokens}};
    if (const auto bits = result.bits_per_byte()) summary["evaluation"][result.name]["bits_per_byte"] = *bits;
  }
  record_.summary(summary);
  show_samples();
  for (const auto& line : end_report(experiment_, counters_, evaluations)) record_.say(line);
  return ExitCode::kDone;
}

/// The last save is on disk, and every rank knows that the run went well.
void TrainLoop::end_run() {
  world_.set_phase(counters_.step, "saving");
  if (saver_) saver_->wait();
  world_.leave();
}

StepResult TrainLoop::one_step(StepNews& news) {
  const auto start = Clock::now();
  const double waited = prefetch_->seconds_waited();
  world_.set_phase(counters_.step + 1, "forward and backward");
  const auto count = micro_batches_of(experiment_, world_).count();
  for (std::int64_t i = 0; i < count; ++i) {
    auto batch = prefetch_->next();
    if (!batch) throw Error(ExitCode::kOther, "the data ended before the run did");
    if (sample_log_) sample_log_->add(batch->samples);
    step_->accumulate(*batch, i + 1 == count);
  }
  const double data_wait = prefetch_->seconds_waited() - waited;
  news.times = {seconds_since(start) - data_wait, data_wait};
  // Before the others know of this step: once it may be saved, the log of every rank has it.
  if (sample_log_) sample_log_->end_step(counters_.step + 1);
  world_.set_phase(counters_.step + 1, "adding up gradients");
  const auto result =
      step_->finish(counters_.updates + 1, [this](double loss, double grad_norm) { return accepts(loss, grad_norm); });
  ++counters_.step;
  counters_.samples_consumed += experiment_.rows_per_step;
  counters_.tokens += experiment_.tokens_per_step;
  if (result.applied) ++counters_.updates;
  const double seconds = seconds_since(start);
  counters_.seconds += seconds;
  smooth_step_seconds_ = smooth_step_seconds_ == 0 ? seconds : 0.95 * smooth_step_seconds_ + 0.05 * seconds;
  window_.data_wait += data_wait;
  window_.reduce_busy += step_->reduction().busy;
  window_.reduce_hidden += step_->reduction().hidden;
  window_.reduce_waited += step_->reduction().waited;
  return result;
}

StepDecision TrainLoop::after_step(const StepResult& result, StepNews& news) {
  ++window_.steps;
  bool rewound = false;  // what is due at this step was done before
  if (result.applied) {
    counters_.skipped_in_a_row = 0;
    last_loss_ = result.loss;
    window_.loss_sum += result.loss * static_cast<double>(result.targets);
    window_.z_loss_sum += result.z_loss * static_cast<double>(result.targets);
    window_.targets += result.targets;
  } else {
    rewound = handle_skipped(result);
  }
  show_progress();
  const auto step = counters_.step;
  const bool last = step == experiment_.total_steps;
  record_.check_lock();
  news.stop = stop_request();
  news.log = (log_timer_->due(step) || step == 1 || last) && !rewound;
  news.evaluate = evaluation_timer_->due(step) && !last && !rewound;
  news.save = checkpoint_timer_->due(step) && !last && !rewound;
  const auto decision = decide(world_, news);
  const auto first_step = resume_ ? resume_->step : 0;
  if (step == first_step + kStepsToEstimate && !last) {
    record_.say(cat("expected time: about ", format_duration(seconds_left()), " from here, evaluations apart"));
  }
  stragglers_->add(decision.times);
  if (stragglers_->steps() == kStragglerSteps) {
    const auto report = stragglers_->take_report();
    if (!report.empty()) record_.warn(report);
  }
  if (decision.log) log_window(result);
  const auto& check_every = config_.distributed.check_every;
  if (check_every && step % *check_every == 0) check_equal_weights(world_, *experiment_.store, step);
  if (decision.evaluate) {
    if (evaluate_all()) show_samples();
    window_.start = Clock::now();
  }
  if (record_.active() && stream_timer_->due(step)) probe_stream();
  if (decision.save) save(false);
  // Rank 0 may take its time over samples and files: nobody waits for it inside a collective, which has a timeout.
  if (decision.evaluate || decision.save) world_.wait_for_all();
  return decision;
}

bool TrainLoop::accepts(double loss, double grad_norm) {
  if (!spikes_) return TrainStep::is_finite(loss, grad_norm);
  verdict_ = spikes_->judge(loss, grad_norm);
  return verdict_ == StepVerdict::kApply;
}

bool TrainLoop::handle_skipped(const StepResult& result) {
  ++counters_.skipped_in_a_row;
  auto what = cat("loss ", result.loss, ", gradient norm ", result.grad_norm);
  if (result.targets == 0) what = "no target token in the batch";
  record_.warn(cat("step ", counters_.step, " skipped: ", what));
  record_.event(counters_, "skipped_step",
                {{"loss", result.loss}, {"grad_norm", result.grad_norm}, {"targets", result.targets}});
  if (spikes_ && result.targets > 0 && verdict_ == StepVerdict::kSkip) return false;
  if (spikes_ && result.targets > 0 && verdict_ == StepVerdict::kRewind) {
    rewind(what);
    return true;
  }
  const bool too_many = counters_.skipped_in_a_row > config_.train.max_skipped;
  if (!spikes_ && config_.train.on_nonfinite == OnNonFinite::kSkip && !too_many) return false;
  throw DivergedError(cat("diverged at step ", counters_.step, ": ", what,
                          too_many ? cat(", ", counters_.skipped_in_a_row, " steps in a row") : std::string(),
                          "; the newest checkpoint is as before. Lower the learning rate, or see train.",
                          spikes_ ? "spikes" : "on_nonfinite"));
}

void TrainLoop::log_window(const StepResult& last) {
  TrainMetrics m;
  m.step = counters_.step;
  m.tokens = counters_.tokens;
  m.loss = window_.targets > 0 ? window_.loss_sum / static_cast<double>(window_.targets) : std::nan("");
  m.lr = experiment_.optimizer->lr(std::max<std::int64_t>(1, counters_.updates));
  m.grad_norm = last.grad_norm;
  const double seconds = seconds_since(window_.start);
  const double steps = static_cast<double>(std::max<std::int64_t>(1, window_.steps));
  m.step_seconds = seconds / steps;
  m.tokens_per_second = steps * static_cast<double>(experiment_.tokens_per_step) / seconds;
  m.mfu = mfu(m.tokens_per_second);
  m.data_wait = window_.data_wait / steps;
  m.memory_bytes = config_.train.device == DeviceKind::kCuda ? gpu_memory().peak_allocated : memory_use().resident;
  if (config_.train.z_loss > 0 && window_.targets > 0) {
    m.extra["z_loss"] = window_.z_loss_sum / static_cast<double>(window_.targets);
  }
  if (world_.size() > 1) {
    m.extra["reduce_seconds"] = window_.reduce_busy / steps;
    m.extra["reduce_hidden"] = window_.reduce_busy > 0 ? window_.reduce_hidden / window_.reduce_busy : 1.0;
    m.extra["reduce_wait"] = window_.reduce_waited / steps;
  }
  record_.train(m);
  char line[200];
  std::snprintf(line, sizeof line, "step %lld/%lld  loss %.4f  lr %.3g  grad norm %.3f  %.0f tok/s  mfu %.1f %%",
                static_cast<long long>(m.step), static_cast<long long>(experiment_.total_steps), m.loss, m.lr,
                m.grad_norm, m.tokens_per_second, 100 * m.mfu.value_or(0));
  record_.say(line);
  write_running_status();
  window_ = Window{};
}

void TrainLoop::show_progress() {
  auto* progress = record_.progress();
  if (progress == nullptr) return;
  ProgressNumbers n;
  n.step = counters_.step;
  n.total_steps = experiment_.total_steps;
  n.loss = last_loss_;
  n.tokens_per_second = static_cast<double>(experiment_.tokens_per_step) / smooth_step_seconds_;
  n.mfu = mfu(n.tokens_per_second);
  n.seconds_left = seconds_left();
  progress->show(n);
}

double TrainLoop::seconds_left() const {
  return smooth_step_seconds_ * static_cast<double>(experiment_.total_steps - counters_.step);
}

std::optional<double> TrainLoop::mfu(double tokens_per_second) const {
  if (peak_gflops_ <= 0) return std::nullopt;
  return tokens_per_second * flops_per_token_ / (peak_gflops_ * 1e9);
}

StopReason TrainLoop::stop_request() const {
  const auto signal = StopSignals::received();
  for (const auto reason : {StopReason::kSigterm, StopReason::kSigint, StopReason::kSigusr1, StopReason::kSighup}) {
    if (signal == stop_text(reason)) return reason;
  }
  if (!world_.is_first()) return StopReason::kNone;
  if (fs::exists(stop_file(dir_))) return StopReason::kStopFile;
  const auto& limit = config_.train.time_limit;
  if (limit && seconds_since(started_) >= limit->value) return StopReason::kTimeLimit;
  return StopReason::kNone;
}

bool TrainLoop::should_stop() const { return stop_request() != StopReason::kNone || !world_.stop_request().empty(); }

void TrainLoop::end_if_stopped() {
  StepNews news;
  news.stop = stop_request();
  // One step at least: a job that is run again and again gets on.
  if (news.stop == StopReason::kTimeLimit) news.stop = StopReason::kNone;
  const auto decision = decide(world_, news);
  if (decision.stop == StopReason::kNone) return;
  throw Error(ExitCode::kStopped, cat("stopped on ", stop_text(decision.stop),
                                      decision.stop_rank != 0 ? cat(" to rank ", decision.stop_rank) : std::string(),
                                      " before the first step: nothing is lost, run the same command again to go on"));
}

std::optional<std::vector<EvaluationResult>> TrainLoop::evaluate_all() {
  world_.set_phase(counters_.step, "evaluation");
  std::vector<EvaluationResult> results;
  EvaluationOptions options;
  options.rows = experiment_.micro_batch;
  options.reset_at_document = config_.data.reset_at_document;
  options.should_stop = [this] { return should_stop(); };
  if (config_.evaluation.tokens) options.max_tokens = config_.evaluation.tokens->value;
  for (const auto& set : data_->validation_sets()) {
    const auto result = evaluate(*experiment_.model, set, options, world_);
    if (result.stopped) return std::nullopt;
    record_.evaluation(counters_, result);
    if (world_.is_first() && config_.checkpoint.best == result.name)
      saver_->note_evaluation(counters_.step, result.loss);
    results.push_back(result);
  }
  return results;
}

void TrainLoop::show_samples() {
  if (!record_.active() || !data_->tokenizer().has_text()) return;
  auto prompts = config_.evaluation.prompts;
  const bool last = counters_.step == experiment_.total_steps;
  const auto opener = data_->document_opener();
  if (prompts.empty() && last && opener) prompts.push_back("");
  GenerateOptions options;
  options.max_tokens = config_.evaluation.sample_tokens;
  options.temperature = 0.8;
  options.top_p = 0.95;
  options.seed = static_cast<std::uint64_t>(config_.run.seed);
  for (const auto& prompt : prompts) {
    const auto start = sample_start(data_->tokenizer(), opener, prompt);
    const auto ids = generate(*experiment_.model, start, data_->tokenizer().eos(), options);
    record_.sample(counters_, prompt + data_->tokenizer().decode(ids));
  }
}

/// On the same rows each time, which other ranks need not wait for.
void TrainLoop::probe_stream() {
  const auto batch = data_->make_batch(first_sample(config_), experiment_.micro_batch);
  const auto tensors = to_tensors(batch, config_.data.reset_at_document, experiment_.model->device());
  record_.probe(counters_, "stream_mean_square",
                {{"values", experiment_.model->stream_mean_squares(tensors.tokens, tensors.documents)}});
}

CheckpointState TrainLoop::checkpoint_state(bool finished) {
  CheckpointState out;
  out.step = counters_.step;
  out.state = to_json(counters_);
  out.state["finished"] = finished;
  out.state["data_identity"] = data_->identity();
  out.state["tokenizer"] = data_->tokenizer().hash();
  const auto opener = data_->document_opener();
  out.state["document_opener"] = opener ? nlohmann::json(*opener) : nlohmann::json();
  out.state["layout"] = execution_layout(experiment_.config, experiment_.micro_batch, world_.size());
  if (spikes_) out.state["spikes"] = spikes_->state();
  out.model = experiment_.store->state();
  out.optimizer = experiment_.optimizer->state();
  out.config_yaml = dump_config(experiment_.config);
  return out;
}

void TrainLoop::save(bool finished) {
  if (saved_step_ == counters_.step && !finished) return;
  saved_step_ = counters_.step;
  if (!saver_) return;
  world_.set_phase(counters_.step, "saving");
  record_.check_lock();
  record_.sync();
  SaveOptions options;
  options.existing = finished ? ExistingCheckpoint::kReplace : ExistingCheckpoint::kKeepIfValid;
  saver_->save(checkpoint_state(finished), options);
}

void TrainLoop::write_running_status() {
  record_.status(counters_.step, {{"total_steps", experiment_.total_steps},
                                  {"tokens", counters_.tokens},
                                  {"loss", last_loss_},
                                  {"seconds_left", seconds_left()},
                                  {"attempt", record_.attempt()}});
}

}  // namespace ingot
