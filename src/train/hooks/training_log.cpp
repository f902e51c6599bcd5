// What a run says of its steps: lines of the log and of metrics.jsonl, the progress line, status.json, MFU.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "base/clock.h"
#include "base/text.h"
#include "device/gpu.h"
#include "device/machine.h"
#include "train/hooks/all.h"
#include "train/peak.h"

namespace ingot {
namespace {

/// Steps after which the time of a step is known well enough.
constexpr std::int64_t kStepsToEstimate = 5;

class TrainingLog final : public Hook {
 public:
  explicit TrainingLog(TrainRun& run) : run_(run) {}
  std::string name() const override { return "training_log"; }

  void begin() override {
    const auto& config = run_.config;
    if (run_.record.active()) {
      peak_gflops_ = peak_gflops(config.train.precision, config.train.device) * run_.world.size();
      run_.record.add_facts({{"peak_gflops", peak_gflops_}});
    }
    flops_per_token_ = run_.setup.model->flops(config.data.seq_len).training_per_token();
    first_step_ = run_.counters.step;
    restart();
  }

  void after_step(const StepReport& report) override {
    if (report.rewound) restart();
    add(report);
    show_progress();
    if (run_.counters.step == first_step_ + kStepsToEstimate && !run_.is_over()) {
      run_.record.say(cat("expected time: about ", format_duration(seconds_left()), " from here, evaluations apart"));
    }
    if (report.log) log_window(report.result);
  }

  void after_evaluation(const std::vector<EvaluationResult>& /*results*/) override { window_.start = Clock::now(); }

 private:
  /// What happened since the last logged line.
  struct Window {
    double loss_sum = 0;
    std::map<std::string, double> term_sums;
    std::int64_t targets = 0, steps = 0;
    double data_wait = 0;
    double reduce_busy = 0, reduce_hidden = 0, reduce_waited = 0;
    std::int64_t first_token = 0;  // of the run
    Clock::time_point start = Clock::now();
  };

  void restart() {
    window_ = Window{};
    window_.first_token = run_.counters.tokens;
    last_seconds_ = run_.counters.seconds;
  }

  void add(const StepReport& report) {
    const auto& result = report.result;
    ++window_.steps;
    if (result.applied) {
      last_loss_ = result.loss;
      window_.loss_sum += result.loss * static_cast<double>(result.targets);
      for (const auto& [name, value] : result.terms)
        window_.term_sums[name] += value * static_cast<double>(result.targets);
      window_.targets += result.targets;
    }
    const double seconds = run_.counters.seconds - last_seconds_;
    last_seconds_ = run_.counters.seconds;
    if (seconds > 0) step_seconds_ = step_seconds_ == 0 ? seconds : 0.95 * step_seconds_ + 0.05 * seconds;
    window_.data_wait += report.times[static_cast<std::size_t>(run_.world.rank())].data_wait;
    const auto& reduction = run_.step->reduction();
    window_.reduce_busy += reduction.busy;
    window_.reduce_hidden += reduction.hidden;
    window_.reduce_waited += reduction.waited;
  }

  TrainMetrics metrics(const StepResult& last) const {
    const auto& config = run_.config;
    TrainMetrics m;
    m.step = run_.counters.step;
    m.tokens = run_.counters.tokens;
    m.loss = window_.targets > 0 ? window_.loss_sum / static_cast<double>(window_.targets) : std::nan("");
    m.lr = run_.setup.optimizer->lr(std::max<std::int64_t>(1, run_.counters.updates));
    m.grad_norm = last.grad_norm;
    for (const auto& group : run_.setup.optimizer->groups()) {
      if (group.name != "others") continue;
      m.extra["lr_others"] = run_.setup.optimizer->lr(std::max<std::int64_t>(1, run_.counters.updates), group.name);
    }
    const double seconds = seconds_since(window_.start);
    const auto steps = static_cast<double>(std::max<std::int64_t>(1, window_.steps));
    m.step_seconds = seconds / steps;
    m.tokens_per_second = static_cast<double>(run_.counters.tokens - window_.first_token) / seconds;
    m.mfu = mfu(m.tokens_per_second);
    m.data_wait = window_.data_wait / steps;
    m.memory_bytes = config.train.device == DeviceKind::kCuda ? gpu_memory().peak_allocated : memory_use().resident;
    for (const auto& [name, sum] : window_.term_sums) m.extra[name] = sum / static_cast<double>(window_.targets);
    if (last.step_share) m.extra["step_share"] = *last.step_share;
    if (run_.world.size() > 1) {
      m.extra["reduce_seconds"] = window_.reduce_busy / steps;
      m.extra["reduce_hidden"] = window_.reduce_busy > 0 ? window_.reduce_hidden / window_.reduce_busy : 1.0;
      m.extra["reduce_wait"] = window_.reduce_waited / steps;
    }
    return m;
  }

  void log_window(const StepResult& last) {
    const auto m = metrics(last);
    run_.record.train(m);
    char line[200];
    std::snprintf(line, sizeof line, "step %lld/%lld  loss %.4f  lr %.3g  grad norm %.3f  %.0f tok/s  mfu %.1f %%",
                  static_cast<long long>(m.step), static_cast<long long>(run_.setup.total_steps), m.loss, m.lr,
                  m.grad_norm, m.tokens_per_second, 100 * m.mfu.value_or(0));
    run_.record.say(line);
    run_.record.status(m.step, {{"total_steps", run_.setup.total_steps},
                                {"tokens", m.tokens},
                                {"loss", last_loss_},
                                {"seconds_left", seconds_left()},
                                {"attempt", run_.record.attempt()}});
    restart();
  }

  void show_progress() {
    auto* progress = run_.record.progress();
    if (progress == nullptr || step_seconds_ == 0) return;
    ProgressNumbers n;
    n.step = run_.counters.step;
    n.total_steps = run_.setup.total_steps;
    n.loss = last_loss_;
    const auto rows = run_.setup.rows_of_step(std::max<std::int64_t>(0, n.step - 1));
    n.tokens_per_second = static_cast<double>(rows * run_.config.data.seq_len) / step_seconds_;
    n.mfu = mfu(n.tokens_per_second);
    n.seconds_left = seconds_left();
    progress->show(n);
  }

  double seconds_left() const {
    return step_seconds_ * static_cast<double>(run_.setup.total_steps - run_.counters.step);
  }
  std::optional<double> mfu(double tokens_per_second) const {
    if (peak_gflops_ <= 0) return std::nullopt;
    return tokens_per_second * flops_per_token_ / (peak_gflops_ * 1e9);
  }

  TrainRun& run_;
  Window window_;
  double peak_gflops_ = 0;      // of all ranks
  double flops_per_token_ = 0;  // forward and backward
  double step_seconds_ = 0;     // smoothed
  double last_seconds_ = 0;     // counters.seconds after the step before
  double last_loss_ = 0;
  std::int64_t first_step_ = 0;
};

}  // namespace

std::unique_ptr<Hook> make_training_log(TrainRun& run) { return std::make_unique<TrainingLog>(run); }

}  // namespace ingot
