#include "train/loop.h"

#include <algorithm>
#include <cmath>

#include "base/log.h"
#include "base/text.h"
#include "config/dump.h"
#include "device/gpu.h"
#include "device/machine.h"
#include "train/generate.h"
#include "train/report.h"
#include "train/signals.h"

namespace ingot {
namespace {

/// Steps after which the time of a step is known well enough.
constexpr std::int64_t kStepsToEstimate = 5;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

TrainLoop::TrainLoop(const RunConfig& config, const Families& families, std::optional<ResumePoint> resume,
                     AttemptRecord& attempt, RunLock& lock)
    : config_(config),
      families_(families),
      resume_(std::move(resume)),
      attempt_(attempt),
      lock_(lock),
      dir_(config.run.dir) {}

ExitCode TrainLoop::run() {
  open();
  while (counters_.step < experiment_.total_steps) {
    stop_reason_ = stop_request();
    if (!stop_reason_.empty()) break;
    after_step(one_step());
  }
  progress_.clear();
  prefetch_.reset();
  if (!stop_reason_.empty()) {
    log::info(cat("stopping on ", stop_reason_, " after step ", counters_.step, ": saving"));
    save(false);
    saver_->wait();
    log::info(cat("saved ", checkpoint_path(dir_, counters_.step).string(), "; run the same command again to go on"));
    return ExitCode::kStopped;
  }
  const auto evaluations = evaluate_all();
  save(true);
  saver_->wait();
  nlohmann::ordered_json summary = {
      {"steps", counters_.step}, {"tokens", counters_.tokens}, {"seconds", counters_.seconds}};
  for (const auto& result : evaluations) {
    summary["evaluation"][result.name] = {{"loss", result.loss}, {"tokens", result.tokens}};
    if (const auto bits = result.bits_per_byte()) summary["evaluation"][result.name]["bits_per_byte"] = *bits;
  }
  write_summary(dir_, summary);
  show_samples();
  for (const auto& line : end_report(experiment_, counters_, evaluations)) log::info(line);
  return ExitCode::kDone;
}

StepResult TrainLoop::one_step() {
  const auto start = Clock::now();
  const double waited = prefetch_->seconds_waited();
  std::int64_t rows = 0;
  while (rows < experiment_.rows_per_step) {
    auto batch = prefetch_->next();
    if (!batch) throw Error(ExitCode::kOther, "the data ended before the run did");
    rows += batch->rows;
    step_->accumulate(*batch);
  }
  const auto result = step_->finish(counters_.updates + 1);
  ++counters_.step;
  counters_.samples_consumed += rows;
  counters_.tokens += rows * config_.data.seq_len;
  if (result.applied) ++counters_.updates;
  const double seconds = seconds_since(start);
  counters_.seconds += seconds;
  smooth_step_seconds_ = smooth_step_seconds_ == 0 ? seconds : 0.95 * smooth_step_seconds_ + 0.05 * seconds;
  window_.data_wait += prefetch_->seconds_waited() - waited;
  return result;
}

void TrainLoop::after_step(const StepResult& result) {
  ++window_.steps;
  if (result.applied) {
    counters_.skipped_in_a_row = 0;
    last_loss_ = result.loss;
    window_.loss_sum += result.loss * static_cast<double>(result.targets);
    window_.z_loss_sum += result.z_loss * static_cast<double>(result.targets);
    window_.targets += result.targets;
  } else {
    handle_skipped(result);
  }
  show_progress();
  const bool last = counters_.step == experiment_.total_steps;
  const auto first_step = resume_ ? resume_->step : 0;
  if (counters_.step == first_step + kStepsToEstimate && !last) {
    progress_.clear();
    log::info(cat("expected time: about ", format_duration(seconds_left()), " from here, evaluations apart"));
  }
  if (log_timer_->due(counters_.step) || counters_.step == 1 || last) log_window(result);
  if (evaluation_timer_->due(counters_.step) && !last) {
    evaluate_all();
    show_samples();
    window_.start = Clock::now();
  }
  if (checkpoint_timer_->due(counters_.step) && !last) save(false);
}

void TrainLoop::handle_skipped(const StepResult& result) {
  progress_.clear();
  ++counters_.skipped_in_a_row;
  const auto what = result.targets == 0 ? std::string("no target token in the batch")
                                        : cat("loss ", result.loss, ", gradient norm ", result.grad_norm);
  log::warning(cat("step ", counters_.step, " skipped: ", what));
  metrics_->event(counters_.step, counters_.tokens, "skipped_step",
                  {{"loss", result.loss}, {"grad_norm", result.grad_norm}, {"targets", result.targets}});
  const bool too_many = counters_.skipped_in_a_row > config_.train.max_skipped;
  if (config_.train.on_nonfinite == OnNonFinite::kSkip && !too_many) return;
  throw DivergedError(cat("diverged at step ", counters_.step, ": ", what,
                          too_many ? cat(", ", counters_.skipped_in_a_row, " steps in a row") : std::string(),
                          "; the newest checkpoint is as before. Lower the learning rate, or see train.on_nonfinite"));
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
  metrics_->train(m);
  if (tensorboard_) {
    tensorboard_->scalar("train/loss", m.step, m.loss);
    tensorboard_->scalar("train/lr", m.step, m.lr);
    tensorboard_->scalar("train/grad_norm", m.step, m.grad_norm);
    tensorboard_->scalar("train/tokens_per_second", m.step, m.tokens_per_second);
  }
  progress_.clear();
  char line[200];
  std::snprintf(line, sizeof line, "step %lld/%lld  loss %.4f  lr %.3g  grad norm %.3f  %.0f tok/s  mfu %.1f %%",
                static_cast<long long>(m.step), static_cast<long long>(experiment_.total_steps), m.loss, m.lr,
                m.grad_norm, m.tokens_per_second, 100 * m.mfu.value_or(0));
  log::info(line);
  write_running_status();
  window_ = Window{};
}

void TrainLoop::show_progress() {
  ProgressNumbers n;
  n.step = counters_.step;
  n.total_steps = experiment_.total_steps;
  n.loss = last_loss_;
  n.tokens_per_second = static_cast<double>(experiment_.tokens_per_step) / smooth_step_seconds_;
  n.mfu = mfu(n.tokens_per_second);
  n.seconds_left = seconds_left();
  progress_.show(n);
}

double TrainLoop::seconds_left() const {
  return smooth_step_seconds_ * static_cast<double>(experiment_.total_steps - counters_.step);
}

std::optional<double> TrainLoop::mfu(double tokens_per_second) const {
  if (peak_gflops_ <= 0) return std::nullopt;
  return tokens_per_second * flops_per_token_ / (peak_gflops_ * 1e9);
}

std::string TrainLoop::stop_request() {
  lock_.check();
  auto signal = StopSignals::received();
  if (!signal.empty()) return signal;
  if (fs::exists(stop_file(dir_))) return "the file STOP";
  const auto& limit = config_.train.time_limit;
  if (limit && seconds_since(started_) >= limit->value) return "train.time_limit";
  return "";
}

std::vector<EvaluationResult> TrainLoop::evaluate_all() {
  progress_.clear();
  std::vector<EvaluationResult> results;
  EvaluationOptions options;
  options.rows = experiment_.micro_batch;
  options.reset_at_document = config_.data.reset_at_document;
  if (config_.evaluation.tokens) options.max_tokens = config_.evaluation.tokens->value;
  for (const auto& set : data_->validation_sets()) {
    const auto result = evaluate(*experiment_.model, set, options);
    EvalMetrics m;
    m.step = counters_.step;
    m.tokens = counters_.tokens;
    m.name = result.name;
    m.loss = result.loss;
    m.bits_per_byte = result.bits_per_byte();
    m.eval_tokens = result.tokens;
    metrics_->eval(m);
    if (tensorboard_) tensorboard_->scalar(cat("eval/", result.name, "/loss"), m.step, m.loss);
    log::info(cat("step ", counters_.step, "  held-out ", evaluation_text(result)));
    if (config_.checkpoint.best == result.name) saver_->note_evaluation(counters_.step, result.loss);
    results.push_back(result);
  }
  return results;
}

void TrainLoop::show_samples() {
  if (!data_->tokenizer().has_text()) return;
  auto prompts = config_.evaluation.prompts;
  const bool last = counters_.step == experiment_.total_steps;
  if (prompts.empty() && last) prompts.push_back("");
  GenerateOptions options;
  options.max_tokens = config_.evaluation.sample_tokens;
  options.temperature = 0.8;
  options.top_p = 0.95;
  options.seed = static_cast<std::uint64_t>(config_.run.seed);
  for (const auto& prompt : prompts) {
    const auto text = prompt + generate_text(*experiment_.model, data_->tokenizer(), prompt, options);
    log::info(cat("sample: ", text));
    if (tensorboard_) tensorboard_->text("sample", counters_.step, text);
  }
}

void TrainLoop::save(bool finished) {
  if (saved_step_ == counters_.step && !finished) return;
  lock_.check();
  CheckpointState state;
  state.step = counters_.step;
  state.state = to_json(counters_);
  state.state["finished"] = finished;
  state.state["data_identity"] = data_->identity();
  state.state["tokenizer"] = data_->tokenizer().hash();
  state.state["layout"] = execution_layout(experiment_.config, experiment_.micro_batch);
  state.model = experiment_.store->state();
  state.optimizer = experiment_.optimizer->state();
  state.config_yaml = dump_config(experiment_.config);
  metrics_->sync();
  SaveOptions options;
  options.existing = finished ? ExistingCheckpoint::kReplace : ExistingCheckpoint::kKeepIfValid;
  saver_->save(state, options);
  saved_step_ = counters_.step;
}

void TrainLoop::write_running_status() {
  RunStatus status;
  status.step = counters_.step;
  status.details = {{"total_steps", experiment_.total_steps},
                    {"tokens", counters_.tokens},
                    {"loss", last_loss_},
                    {"seconds_left", seconds_left()},
                    {"attempt", attempt_.number()}};
  write_status(dir_, status);
}

}  // namespace ingot
