// How a run begins: data, model, weights, where it goes on.

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "config/dump.h"
#include "device/gpu.h"
#include "device/machine.h"
#include "train/loop.h"
#include "train/peak.h"
#include "train/report.h"

namespace ingot {
namespace {

constexpr std::size_t kPrefetchDepth = 4;

}  // namespace

void TrainLoop::open() {
  keep_freed_memory();
  PrepareOptions prepare;
  prepare.run_dir = dir_;
  prepare.seed = static_cast<std::uint64_t>(config_.run.seed);
  prepare.progress = [this](const DataProgress& p) { progress_.show(progress_text(p)); };
  data_ = prepare_data(config_.data, families_.get<TokenizerEntry>(), prepare);
  progress_.clear();
  if (resume_ && resume_->state.value("data_identity", "") != data_->identity()) {
    throw DataError(cat("the training data is not what ", resume_->checkpoint.string(), " was trained on (identity ",
                        resume_->state.value("data_identity", ""), ", now ", data_->identity(),
                        "); bring the old text back or choose another run.name"));
  }
  experiment_ = make_experiment(config_, families_, {data_->vocab_size(), data_->tokens_per_epoch()});
  config_ = experiment_.config;
  if (!experiment_.costs) experiment_.costs = measure_costs(experiment_, families_, Measure::kMemory);
  experiment_.store->allocate();
  experiment_.optimizer->allocate();
  log_timer_ = std::make_unique<CadenceTimer>(config_.log.every, experiment_.durations);
  evaluation_timer_ = std::make_unique<CadenceTimer>(config_.evaluation.every, experiment_.durations);
  checkpoint_timer_ = std::make_unique<CadenceTimer>(config_.checkpoint.every, experiment_.durations);
  SaverOptions saver;
  saver.run_dir = dir_;
  saver.async = config_.checkpoint.async;
  saver.retention.keep_last = config_.checkpoint.keep_last;
  saver.retention.keep_best = config_.checkpoint.best.has_value();
  if (config_.checkpoint.keep_every) {
    saver.retention.keep_every = experiment_.steps(*config_.checkpoint.keep_every);
  }
  saver_ = std::make_unique<CheckpointSaver>(saver);
  load_start();

  std::optional<std::int64_t> resumed_step;
  if (resume_) resumed_step = resume_->step;
  metrics_ = std::make_unique<MetricsWriter>(dir_, attempt_.number(), resumed_step);
  if (config_.log.tensorboard) tensorboard_ = std::make_unique<TensorBoardWriter>(dir_ / "tensorboard", resumed_step);
  write_file_atomic(dir_ / "config.yaml", dump_config(config_));
  for (const auto& line : start_table(experiment_, *data_)) log::info(line);
  peak_gflops_ = peak_gflops(config_.train.precision, config_.train.device);
  flops_per_token_ = experiment_.model->flops(config_.data.seq_len).training_per_token();
  attempt_.add({{"precision", precision_name(config_.train.precision)},
                {"layout", execution_layout(config_, experiment_.micro_batch)},
                {"data_identity", data_->identity()},
                {"tokenizer", data_->tokenizer().hash()},
                {"peak_gflops", peak_gflops_}});
  if (config_.train.device == DeviceKind::kCuda) {
    const auto gpu = gpu_info();
    attempt_.add(
        {{"gpu",
          {{"name", gpu.name}, {"memory_bytes", gpu.total_bytes}, {"driver", gpu.driver}, {"cuda", gpu.runtime}}}});
  }
  if (resume_) {
    attempt_.add({{"resumed_from", resume_->checkpoint.string()}});
    metrics_->event(counters_.step, counters_.tokens, "resumed", {{"checkpoint", resume_->checkpoint.string()}});
  }
  step_ = std::make_unique<TrainStep>(experiment_);
  start_prefetch();
  window_ = Window{};
}

void TrainLoop::load_start() {
  auto& store = *experiment_.store;
  if (!resume_) {
    store.initialise(static_cast<std::uint64_t>(config_.run.seed));
    if (config_.train.start_from) start_from(*config_.train.start_from);
    return;
  }
  load_checkpoint(resume_->checkpoint, LoadWhat::kAll, store.state(), experiment_.optimizer->state(), true);
  store.materialise();
  counters_ = counters_from_json(resume_->state);
  warn_if_not_exact(resume_->state.value("layout", nlohmann::json::object()),
                    execution_layout(config_, experiment_.micro_batch));
  for (const auto& aside : set_aside_newer(dir_, counters_.step)) {
    log::warning(cat("set aside ", aside.path.string(), ": the run goes on from step ", counters_.step));
  }
  saved_step_ = counters_.step;
  log::info(cat("resumed from ", resume_->checkpoint.string(), " at step ", counters_.step));
}

void TrainLoop::start_from(const StartFrom& from) {
  const auto checkpoint = resolve_checkpoint(from.path);
  auto& store = *experiment_.store;
  const auto what = from.load == StartLoad::kAll ? LoadWhat::kAll : LoadWhat::kWeights;
  load_checkpoint(checkpoint, what, store.state(), experiment_.optimizer->state());
  store.constrain();
  store.materialise();
  if (from.load == StartLoad::kAll) counters_.updates = counters_from_json(read_state(checkpoint)).updates;
  log::info(cat("started from ", checkpoint.string(), " (", from.load == StartLoad::kAll ? "all" : "weights", ")"));
}

void TrainLoop::start_prefetch() {
  // Micro-batches in order; each step's last one may be smaller.
  const auto rows_per_step = experiment_.rows_per_step;
  const auto micro_batch = experiment_.micro_batch;
  auto next = counters_.samples_consumed;
  const auto end = next + (experiment_.total_steps - counters_.step) * rows_per_step;
  const auto first = next;
  prefetch_ = std::make_unique<Prefetcher>(
      [this, next, first, end, rows_per_step, micro_batch]() mutable -> std::optional<Batch> {
        if (next >= end) return std::nullopt;
        const auto left_in_step = rows_per_step - (next - first) % rows_per_step;
        const auto rows = std::min(micro_batch, left_in_step);
        auto batch = data_->make_batch(next, rows);
        next += rows;
        return batch;
      },
      kPrefetchDepth);
}

}  // namespace ingot
