// How a run begins: data, model, weights, where it goes on.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "base/files.h"
#include "base/host.h"
#include "base/log.h"
#include "base/text.h"
#include "config/document.h"
#include "config/dump.h"
#include "device/gpu.h"
#include "device/machine.h"
#include "dist/preflight.h"
#include "train/generate.h"
#include "train/loop.h"
#include "train/memory_check.h"
#include "train/micro_batches.h"
#include "train/peak.h"
#include "train/report.h"

namespace ingot {
namespace {

constexpr std::size_t kPrefetchDepth = 4;
constexpr double kSharedFolderSeconds = 10;  // until a network's file system shows a new file everywhere

}  // namespace

void TrainLoop::open() {
  keep_freed_memory();
  open_data();
  end_if_stopped();
  make_model();
  end_if_stopped();
  check_prompts();
  log_timer_ = std::make_unique<CadenceTimer>(config_.log.every, experiment_.durations);
  evaluation_timer_ = std::make_unique<CadenceTimer>(config_.evaluation.every, experiment_.durations);
  checkpoint_timer_ = std::make_unique<CadenceTimer>(config_.checkpoint.every, experiment_.durations);
  stream_timer_ = std::make_unique<CadenceTimer>(config_.log.stream, experiment_.durations);
  std::vector<std::string> hosts;
  for (const auto& rank : world_.ranks()) hosts.push_back(rank.host);
  if (hosts.empty()) hosts.push_back("this machine");
  stragglers_ = std::make_unique<StragglerWatch>(std::move(hosts));
  if (config_.train.spikes) spikes_.emplace(*config_.train.spikes);
  step_ = std::make_unique<TrainStep>(experiment_, world_);
  if (shares_masters()) check_shared_folder();
  if (world_.is_first() || shares_masters()) open_saver();
  load_start();
  if (world_.is_first()) check_space(checkpoints_folder(dir_), checkpoint_state(false));
  if (world_.is_first() && !shares_masters()) check_file_size(checkpoints_folder(dir_), checkpoint_state(false));
  begin_record();
  if (config_.log.samples) {
    const auto attempt = world_.broadcast(std::to_string(record_.attempt()));
    sample_log_ = std::make_unique<SampleLog>(dir_, world_.rank(), std::stoll(attempt));
  }
  if (world_.size() > 1) measure_network();
  if (config_.log.stream && record_.active() && counters_.step == 0) probe_stream();
  start_prefetch();
  end_if_stopped();
  world_.wait_for_all();
  window_ = Window{};
}

/// Rank 0 prepares what is missing, then the first rank of every node (it may have a disk of its own), then the rest open it.
void TrainLoop::open_data() {
  world_.set_phase(0, "preparing the data");
  PrepareOptions prepare;
  prepare.may_build = world_.place().local_rank == 0;
  prepare.progress = [this](const DataProgress& p) {
    if (auto* progress = record_.progress()) progress->show(progress_text(p));
    if (!should_stop()) return;
    const auto reason = stop_request();
    throw Error(ExitCode::kStopped,
                cat("stopped on ", reason == StopReason::kNone ? world_.stop_request() : stop_text(reason),
                    " while the data was being prepared: what is done so far is kept, run the same "
                    "command again to go on"));
  };
  const int turn = world_.is_first() ? 0 : prepare.may_build ? 1 : 2;
  const int turns = world_.size() > 1 ? 3 : 1;
  for (int now = 0; now < turns; ++now) {
    if (now == turn) data_ = open_training_data(config_, resume_, families_, prepare);
    world_.wait_for_all();
  }
  record_.clear_progress();
  const auto identities = world_.all_gather_text(data_->identity());
  for (int rank = 1; rank < world_.size(); ++rank) {
    if (identities[static_cast<std::size_t>(rank)] == identities[0]) continue;
    throw DataError(cat("rank ", rank, " (", world_.ranks()[static_cast<std::size_t>(rank)].host,
                        ") has other training data than rank 0: identity ", identities[static_cast<std::size_t>(rank)],
                        " instead of ", identities[0]));
  }
}

/// What is `auto` depends on measurements, so rank 0 decides for all.
void TrainLoop::make_model() {
  world_.set_phase(0, "building the model");
  const DataFacts facts{data_->vocab_size(), data_->tokens_per_epoch(), world_.size(), world_.place().local_world_size,
                        world_.rank()};
  if (world_.is_first()) {
    if (config_.train.start_from && !resume_) start_ = open_start(config_, data_->identity(), families_);
    experiment_ = make_experiment(config_, families_, facts);
    if (resume_) check_new_length(*resume_, experiment_);
    world_.broadcast(dump_config(experiment_.config));
  } else {
    const auto resolved = Document::parse(world_.broadcast(""), "rank 0's config", {}, dir_);
    const auto dir = config_.run.dir;
    config_ = read_run_config(resolved, families_);
    config_.run.dir = dir;
    experiment_ = make_experiment(config_, families_, facts);
  }
  config_ = experiment_.config;
  if (config_.train.device == DeviceKind::kCuda) world_.connect_gpus();
  if (!experiment_.costs && record_.active()) {
    experiment_.costs = measure_costs(experiment_, families_, Measure::kMemory);
  }
  check_memory(experiment_);
  experiment_.store->allocate();
  experiment_.optimizer->allocate();
}

/// Before the run rather than at the first sample.
void TrainLoop::check_prompts() const {
  if (!data_->tokenizer().has_text()) return;
  for (std::size_t i = 0; i < config_.evaluation.prompts.size(); ++i) {
    try {
      const auto start = sample_start(data_->tokenizer(), data_->document_opener(), config_.evaluation.prompts[i]);
      experiment_.model->check_document_length(std::ssize(start));
    } catch (const ConfigError& error) {
      throw ConfigError(cat("evaluation.prompts[", i, "]: ", error.what()));
    }
  }
}

void TrainLoop::open_saver() {
  SaverOptions saver;
  saver.run_dir = dir_;
  saver.async = config_.checkpoint.async;
  saver.retention.keep_last = config_.checkpoint.keep_last;
  saver.retention.keep_best = config_.checkpoint.best.has_value();
  if (config_.checkpoint.keep_every) {
    saver.retention.keep_every = experiment_.steps(*config_.checkpoint.keep_every);
  }
  saver_ = std::make_unique<CheckpointSaver>(saver, shares_masters() ? std::make_unique<SavingRanks>(world_) : nullptr);
}

/// Every rank reads and writes checkpoints where masters are shared out.
void TrainLoop::check_shared_folder() {
  const auto name = world_.broadcast(cat(".shared-", random_hex()));
  if (world_.is_first()) write_file_atomic(dir_ / name, "", ExitCode::kConfig);
  world_.wait_for_all();
  const auto start = Clock::now();
  while (!fs::exists(dir_ / name) && seconds_since(start) < kSharedFolderSeconds) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  const auto seen = world_.all_gather_text(fs::exists(dir_ / name) ? "" : dir_.string());
  if (world_.is_first()) fs::remove(dir_ / name);
  for (std::size_t rank = 0; rank < seen.size(); ++rank) {
    if (seen[rank].empty()) continue;
    throw ConfigError(cat("distributed.shard needs a run.dir that all ranks share; rank ", rank, " (",
                          world_.ranks()[rank].host, ") does not see in '", seen[rank],
                          "' what rank 0 wrote; use a shared file system or distributed.shard: none"));
  }
}

void TrainLoop::begin_record() {
  std::optional<std::int64_t> resumed_step;
  if (resume_) resumed_step = resume_->step;
  record_.open_metrics(resumed_step, config_.log.tensorboard);
  record_.config(dump_config(config_));
  if (!record_.active()) return;
  for (const auto& line : start_table(experiment_, *data_)) record_.say(line);
  if (world_.size() > 1) {
    record_.say(cat("  world        ", world_.size(), " ranks, started by ", launcher_name(world_.place().launcher)));
    say_what_the_launch_does();
  }
  peak_gflops_ = peak_gflops(config_.train.precision, config_.train.device) * world_.size();
  flops_per_token_ = experiment_.model->flops(config_.data.seq_len).training_per_token();
  nlohmann::ordered_json ranks = nlohmann::ordered_json::array();
  for (const auto& rank : world_.ranks()) ranks.push_back({{"host", rank.host}, {"pid", rank.pid}});
  record_.add_facts({{"precision", precision_name(config_.train.precision)},
                     {"layout", execution_layout(config_, experiment_.micro_batch, world_.size())},
                     {"launcher", launcher_name(world_.place().launcher)},
                     {"ranks", ranks},
                     {"data_identity", data_->identity()},
                     {"tokenizer", data_->tokenizer().hash()},
                     {"peak_gflops", peak_gflops_}});
  if (config_.train.device == DeviceKind::kCuda) {
    const auto gpu = gpu_info();
    record_.add_facts(
        {{"gpu",
          {{"name", gpu.name}, {"memory_bytes", gpu.total_bytes}, {"driver", gpu.driver}, {"cuda", gpu.runtime}}}});
  }
  if (resume_) {
    record_.add_facts({{"resumed_from", resume_->checkpoint.string()}});
    record_.event(counters_, "resumed", {{"checkpoint", resume_->checkpoint.string()}});
  }
}

void TrainLoop::say_what_the_launch_does() {
  const auto threads = config_.train.threads.value();
  const auto given = process_environment()("OMP_NUM_THREADS");
  if (given && *given != std::to_string(threads)) {
    record_.say(cat("  OMP_NUM_THREADS=", *given, " is overridden by train.threads: ", threads));
  }
  const auto micro_batches = MicroBatches::in_step(experiment_.rows_per_step, experiment_.micro_batch);
  if (micro_batches % world_.size() != 0) {
    record_.warn(cat("a step has ", micro_batches, " micro-batches for ", world_.size(),
                     " ranks: some wait for others; a train.micro_batch that divides ", experiment_.rows_per_rank(),
                     " shares the work evenly"));
  }
}

void TrainLoop::measure_network() {
  world_.set_phase(counters_.step, "measuring the network");
  const auto measured = preflight(world_, experiment_.model->device());
  record_.say(cat("  network      ", measured.text()));
  for (const auto rank : slow_ranks(measured)) {
    const auto index = static_cast<std::size_t>(rank);
    char milliseconds[32];
    std::snprintf(milliseconds, sizeof milliseconds, "%.1f ms", 1e3 * measured.with_first[index]);
    record_.warn(cat("rank ", rank, " (", world_.ranks()[index].host, ") exchanges ",
                     format_bytes(static_cast<double>(measured.bytes)), " with rank 0 in ", milliseconds,
                     ", far over the median rank: every step waits for it"));
  }
  record_.add_facts({{"all_reduce_seconds", measured.all_reduce}, {"all_reduce_bytes", measured.bytes}});
}

/// Into what this rank owns. If every rank has all, rank 0 reads and sends it round, so that other nodes need not see its disk.
void TrainLoop::load(const fs::path& checkpoint, LoadWhat what) {
  if (!world_.is_first() && !shares_masters()) return;
  load_checkpoint(checkpoint, what, experiment_.store->state(), experiment_.optimizer->state(), true);
}

/// Of a run that may have had norms without running statistics: what it lacks of these starts anew.
void TrainLoop::load_weights(const fs::path& checkpoint) {
  if (!world_.is_first() && !shares_masters()) return;
  const auto& store = *experiment_.store;
  auto accepted = stored_names(checkpoint);
  for (const auto& master : store.masters()) accepted.insert(master.name);
  StateTensors wanted;
  for (const auto& state : store.state()) {
    if (accepted.count(state.name) != 0) wanted.push_back(state);
  }
  load_checkpoint(checkpoint, LoadWhat::kWeights, wanted, {}, true);
  if (const auto rest = store.state().size() - wanted.size(); rest > 0) {
    record_.say(cat("  ", rest, " running statistics that ", checkpoint.string(), " does not have start anew"));
  }
}

void TrainLoop::load_start() {
  world_.set_phase(0, "loading weights");
  auto& store = *experiment_.store;
  if (resume_) {
    counters_ = counters_from_json(resume_->state);
    saved_step_ = counters_.step;
    if (spikes_ && resume_->state.contains("spikes")) spikes_->restore(resume_->state.at("spikes"));
    load(resume_->checkpoint, LoadWhat::kAll);
    if (world_.is_first()) {
      warn_if_not_exact(resume_->state.value("layout", nlohmann::json::object()),
                        execution_layout(config_, experiment_.micro_batch, world_.size()));
      for (const auto& aside : set_aside_newer(dir_, counters_.step)) {
        log::warning(cat("set aside ", aside.path.string(), ": the run goes on from step ", counters_.step));
      }
    }
    share_start();
    record_.say(cat("resumed from ", resume_->checkpoint.string(), " at step ", counters_.step));
  } else {
    store.initialise(static_cast<std::uint64_t>(config_.run.seed));
    if (shares_masters()) step_->refresh_weights();
    if (config_.train.start_from) start_from(*config_.train.start_from);
  }
  experiment_.optimizer->offset_schedules(counters_.schedule_offset);
  check_equal_weights(world_, store, counters_.step);
}

void TrainLoop::start_from(const StartFrom& from) {
  const bool all = from.load == StartLoad::kAll;
  const fs::path checkpoint = world_.broadcast(start_.checkpoint.string());
  if (all) {
    load(checkpoint, LoadWhat::kAll);
  } else {
    load_weights(checkpoint);
  }
  if (world_.is_first() || shares_masters()) experiment_.store->constrain();
  share_start();
  counters_ = counters_from_json(nlohmann::json::parse(world_.broadcast(to_json(start_.counters).dump())));
  record_.say(
      cat("started from ", checkpoint.string(), ": ", start_text(config_, start_, experiment_.schedule.total_steps)));
}

/// What was loaded goes to all.
void TrainLoop::share_start() {
  world_.wait_for_all();
  if (shares_masters()) {
    for (const auto& buffer : experiment_.store->buffers()) world_.broadcast(buffer);
  } else {
    for (const auto& state : experiment_.store->state()) world_.broadcast(state.tensor);
    for (const auto& state : experiment_.optimizer->state()) world_.broadcast(state.tensor);
  }
  step_->refresh_weights();
}

/// Weights and optimizer of the newest checkpoint, but not its place in the data: what led here is passed over.
void TrainLoop::rewind(const std::string& reason) {
  nlohmann::json found;
  if (saver_) saver_->wait();
  if (world_.is_first()) {
    const auto newest = find_newest_valid(dir_).found;
    if (!newest) {
      throw DivergedError(
          cat("diverged at step ", counters_.step, ": ", reason, ", and there is no checkpoint to go back to"));
    }
    found = {{"path", newest->path.string()}, {"state", read_state(newest->path)}};
  }
  const auto heard =
      JsonValue::parse(world_.broadcast(found.dump()), {"what rank 0 says of going back", ExitCode::kDistributed});
  const fs::path target = heard.at("path").text();
  load(target, LoadWhat::kAll);
  share_start();
  const auto left = counters_;
  counters_ = counters_from_json(heard.at("state").raw());
  counters_.samples_consumed = left.samples_consumed;
  counters_.seconds = left.seconds;
  saved_step_ = counters_.step;
  record_.open_metrics(counters_.step, config_.log.tensorboard);
  record_.event(counters_, "rewound", {{"from_step", left.step}, {"checkpoint", target.string()}, {"reason", reason}});
  record_.warn(
      cat("went back from step ", left.step, " to ", target.string(), "; the batches in between are passed over"));
  window_ = Window{};
  start_prefetch();
}

void TrainLoop::start_prefetch() {
  const auto mine = micro_batches_of(experiment_, world_);
  auto step_start = counters_.samples_consumed;
  auto steps_left = experiment_.total_steps - counters_.step;
  std::int64_t i = 0;
  prefetch_ = std::make_unique<Prefetcher>(
      [this, mine, step_start, steps_left, i]() mutable -> std::optional<Batch> {
        if (i == mine.count()) {
          i = 0;
          step_start += experiment_.rows_per_step;
          --steps_left;
        }
        if (steps_left <= 0 || mine.count() == 0) return std::nullopt;
        auto batch = data_->make_batch(step_start + mine.first_row(i), mine.rows(i));
        ++i;
        return batch;
      },
      kPrefetchDepth);
}

}  // namespace ingot
