#include "train/loop.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/clock.h"
#include "base/text.h"
#include "device/machine.h"
#include "eval/evaluate.h"
#include "train/evaluation_weights.h"
#include "train/micro_batches.h"
#include "train/open_run.h"
#include "train/run_summary.h"
#include "train/start_record.h"

namespace ingot {
namespace {

constexpr std::size_t kPrefetchDepth = 4;

}  // namespace

TrainLoop::TrainLoop(const RunConfig& config, const Families& families, std::optional<ResumePoint> resume, World& world,
                     RunRecord& record)
    : run_(config, families, world, record, std::move(resume)), requests_(config, world) {}

ExitCode TrainLoop::run() {
  open();
  StepDecision decision;
  while (!run_.is_over() && decision.stop == StopReason::kNone) {
    const auto start = Clock::now();
    const auto times = accumulate();
    const auto result = update();
    run_.counters.seconds += seconds_since(start);
    decision = after_step(result, times);
  }
  run_.record.clear_progress();
  prefetch_.reset();
  if (run_.is_over()) {
    EvaluationWeights weights(run_);
    const auto evaluations = evaluate_all();
    weights.end();
    if (evaluations) return finish(*evaluations);
    StepNews news;
    news.stop = requests_.here();
    decision = decide(run_.world, news);
  }
  return stop(decision);
}

void TrainLoop::open() {
  keep_freed_memory();
  open_data(run_, requests_);
  end_if_stopped();
  make_model(run_);
  end_if_stopped();
  check_prompts(run_);
  const auto& durations = run_.setup.durations;
  log_timer_ = std::make_unique<CadenceTimer>(run_.config.log.every, durations);
  evaluation_timer_ = std::make_unique<CadenceTimer>(run_.config.evaluation.every, durations);
  checkpoint_timer_ = std::make_unique<CadenceTimer>(run_.config.checkpoint.every, durations);
  run_.step = std::make_unique<TrainStep>(run_.setup, run_.world);
  hooks_ = Hooks(run_);
  checkpoints_ = std::make_unique<RunCheckpoints>(run_, hooks_);
  checkpoints_->load_start();
  begin_record(run_);
  if (run_.world.size() > 1) measure_network(run_);
  start_prefetch();
  end_if_stopped();
  run_.world.wait_for_all();
  hooks_.begin();
}

void TrainLoop::end_if_stopped() {
  StepNews news;
  news.stop = requests_.here();
  // One step at least: a job that is run again and again gets on.
  if (news.stop == StopReason::kTimeLimit) news.stop = StopReason::kNone;
  const auto decision = decide(run_.world, news);
  if (decision.stop == StopReason::kNone) return;
  throw Error(ExitCode::kStopped, cat("stopped on ", decision.text(),
                                      " before the first step: nothing is lost, run the same command again to go on"));
}

void TrainLoop::start_prefetch() {
  auto step = run_.counters.step;
  auto mine = micro_batches_of(run_.setup, step, run_.world);
  auto step_start = run_.counters.samples_consumed;
  std::int64_t i = 0;
  prefetch_ = std::make_unique<Prefetcher>(
      [this, mine, step_start, step, i]() mutable -> std::optional<Batch> {
        while (i == mine.count() && step < run_.setup.total_steps) {
          i = 0;
          step_start += run_.setup.rows_of_step(step);
          mine = micro_batches_of(run_.setup, ++step, run_.world);
        }
        if (step >= run_.setup.total_steps) return std::nullopt;
        auto batch = run_.data->make_batch(step_start + mine.first_row(i), mine.rows(i));
        ++i;
        return batch;
      },
      kPrefetchDepth);
}

RankTimes TrainLoop::accumulate() {
  const auto start = Clock::now();
  const double waited = prefetch_->seconds_waited();
  run_.world.set_phase(run_.counters.step + 1, "forward and backward");
  const auto step = run_.counters.step;
  const auto count = micro_batches_of(run_.setup, step, run_.world).count();
  for (std::int64_t i = 0; i < count; ++i) {
    auto batch = prefetch_->next();
    if (!batch) throw Error(ExitCode::kOther, "the data ended before the run did");
    hooks_.on_batch(*batch);
    run_.step->accumulate(cut_rows(std::move(*batch), run_.setup.length_of_step(step)), i + 1 == count);
  }
  const double data_wait = prefetch_->seconds_waited() - waited;
  return {seconds_since(start) - data_wait, data_wait};
}

StepResult TrainLoop::update() {
  hooks_.before_exchange();
  run_.world.set_phase(run_.counters.step + 1, "adding up gradients");
  verdict_ = StepVerdict::kSkip;  // where nobody is asked
  const auto accept = [this](double loss, double grad_norm) {
    verdict_ = hooks_.judge(loss, grad_norm);
    if (verdict_ == StepVerdict::kApply) hooks_.before_update();
    return verdict_ == StepVerdict::kApply;
  };
  const auto result = run_.step->finish(run_.counters.updates + 1, accept);
  const auto rows = run_.setup.rows_of_step(run_.counters.step++);
  run_.counters.samples_consumed += rows;
  run_.counters.tokens += rows * run_.config.data.seq_len;
  if (result.applied) ++run_.counters.updates;
  return result;
}

StepDecision TrainLoop::after_step(const StepResult& result, const RankTimes& times) {
  const bool rewound = !result.applied && handle_skipped(result);  // what is due at this step was done before
  if (result.applied) run_.counters.skipped_in_a_row = 0;
  const auto step = run_.counters.step;
  const bool last = run_.is_over();
  run_.record.check_lock();
  StepNews news;
  news.times = times;
  news.stop = requests_.here();
  news.log = (log_timer_->due(step) || step == 1 || last) && !rewound;
  news.evaluate = evaluation_timer_->due(step) && !last && !rewound;
  news.save = checkpoint_timer_->due(step) && !last && !rewound;
  const auto decision = decide(run_.world, news);
  hooks_.after_step({result, decision.times, rewound, decision.log});
  if (decision.evaluate) evaluate_weights();
  if (decision.save) checkpoints_->save(false);
  // Rank 0 may take its time over samples and files: nobody waits for it inside a collective, which has a timeout.
  if (decision.evaluate || decision.save) run_.world.wait_for_all();
  return decision;
}

bool TrainLoop::handle_skipped(const StepResult& result) {
  auto& counters = run_.counters;
  // Without target tokens nothing was judged: such a step counts as one whose numbers are not finite.
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (result.targets == 0) verdict_ = hooks_.judge(kNone, kNone);
  ++counters.skipped_in_a_row;
  auto what = cat("loss ", result.loss, ", gradient norm ", result.grad_norm);
  if (result.clip_factor == 0) what += cat(", which ", run_.config.optim.clip.name(), " leaves out");
  if (result.targets == 0) what = "no target token in the batch";
  run_.record.warn(cat("step ", counters.step, " skipped: ", what));
  run_.record.event(counters, "skipped_step",
                    {{"loss", result.loss}, {"grad_norm", result.grad_norm}, {"targets", result.targets}});
  const bool may_go_on = result.clip_factor != 0 || counters.skipped_in_a_row <= run_.config.train.max_skipped;
  if (verdict_ == StepVerdict::kSkip && may_go_on) return false;
  if (verdict_ == StepVerdict::kRewind) {
    checkpoints_->rewind(what);
    start_prefetch();
    return true;
  }
  const bool many = counters.skipped_in_a_row > run_.config.train.max_skipped;
  throw DivergedError(cat("diverged at step ", counters.step, ": ", what,
                          many ? cat(", ", counters.skipped_in_a_row, " steps in a row") : std::string(),
                          "; the newest checkpoint is as before. Lower the learning rate, or see train.",
                          run_.config.train.spikes ? "spikes" : "on_nonfinite"));
}

void TrainLoop::evaluate_weights() {
  EvaluationWeights weights(run_);
  if (const auto results = evaluate_all()) hooks_.after_evaluation(*results);
  weights.end();
}

std::optional<std::vector<EvaluationResult>> TrainLoop::evaluate_all() {
  run_.world.set_phase(run_.counters.step, "evaluation");
  const auto& config = run_.config;
  std::vector<EvaluationResult> results;
  EvaluationOptions options;
  options.rows = run_.setup.micro_batch;
  options.reset_at_document = config.data.reset_at_document;
  options.should_stop = [this] { return requests_.anywhere(); };
  if (config.evaluation.tokens) options.max_tokens = config.evaluation.tokens->value;
  for (const auto& set : run_.data->validation_sets()) {
    const auto result = evaluate(*run_.setup.model, set, options, run_.world);
    if (result.stopped) return std::nullopt;
    const EvalMetrics line{run_.counters.step, run_.counters.tokens,   result.name,
                           result.loss,        result.bits_per_byte(), result.tokens};
    run_.record.evaluation(line, cat("step ", run_.counters.step, "  held-out ", evaluation_text(result)));
    if (run_.world.is_first() && config.checkpoint.best == result.name) checkpoints_->note_evaluation(result.loss);
    results.push_back(result);
  }
  return results;
}

ExitCode TrainLoop::stop(const StepDecision& decision) {
  stop_reason_ = decision.text();
  run_.record.say(cat("stopping on ", stop_reason_, " after step ", run_.counters.step, ": saving"));
  checkpoints_->save(false);
  end_run();
  hooks_.end(ExitCode::kStopped);
  run_.record.say(
      cat("saved ", checkpoint_path(run_.dir(), run_.counters.step).string(), "; run the same command again to go on"));
  return ExitCode::kStopped;
}

ExitCode TrainLoop::finish(const std::vector<EvaluationResult>& evaluations) {
  checkpoints_->save(true);
  const EvaluationWeights weights(run_);  // for what hooks show at the end
  end_run();
  run_.record.summary(summary_of(run_.counters, evaluations));
  hooks_.end(ExitCode::kDone);
  for (const auto& line : end_report(run_.setup, run_.counters, evaluations)) run_.record.say(line);
  return ExitCode::kDone;
}

/// The last save is on disk, and every rank knows that the run went well.
void TrainLoop::end_run() {
  run_.world.set_phase(run_.counters.step, "saving");
  checkpoints_->wait();
  run_.world.leave();
}

}  // namespace ingot
