#include "train/run_checkpoints.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <set>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "base/host.h"
#include "base/log.h"
#include "base/text.h"
#include "checkpoint/evaluation_state.h"
#include "config/dump.h"
#include "eval/batch_tensors.h"
#include "train/evaluation_weights.h"
#include "train/growth.h"
#include "train/start_point.h"

namespace ingot {
namespace {

constexpr std::int64_t kFitRows = 4;         // whatever the micro-batch is
constexpr double kSharedFolderSeconds = 10;  // until a network's file system shows a new file everywhere

/// Every rank reads and writes checkpoints where masters are shared out.
void check_shared_folder(const TrainRun& run) {
  const auto name = run.world.broadcast(cat(".shared-", random_hex()));
  if (run.world.is_first()) write_file_atomic(run.dir() / name, "", ExitCode::kConfig);
  run.world.wait_for_all();
  const auto start = Clock::now();
  while (!fs::exists(run.dir() / name) && seconds_since(start) < kSharedFolderSeconds) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  const auto seen = run.world.all_gather_text(fs::exists(run.dir() / name) ? "" : run.dir().string());
  if (run.world.is_first()) fs::remove(run.dir() / name);
  for (std::size_t rank = 0; rank < seen.size(); ++rank) {
    if (seen[rank].empty()) continue;
    throw ConfigError(cat("distributed.shard needs a run.dir that all ranks share; rank ", rank, " (",
                          run.world.ranks()[rank].host, ") does not see in '", seen[rank],
                          "' what rank 0 wrote; use a shared file system or distributed.shard: none"));
  }
}

/// How many weights are in the average that a checkpoint holds, by its state.json.
std::int64_t averaged_in(const nlohmann::json& state) {
  const auto averaged = state_value(state).find("averaged");
  return averaged ? averaged->whole(0) : 0;
}

std::unique_ptr<CheckpointSaver> make_saver(const TrainRun& run) {
  SaverOptions saver;
  saver.run_dir = run.dir();
  saver.async = run.config.checkpoint.async;
  saver.retention.keep_last = run.config.checkpoint.keep_last;
  saver.retention.keep_best = run.config.checkpoint.best.has_value();
  if (run.config.checkpoint.keep_every) {
    saver.retention.keep_every = run.setup.steps(*run.config.checkpoint.keep_every);
  }
  return std::make_unique<CheckpointSaver>(saver,
                                           run.shares_masters() ? std::make_unique<SavingRanks>(run.world) : nullptr);
}

}  // namespace

RunCheckpoints::RunCheckpoints(TrainRun& run, Hooks& hooks) : run_(run), hooks_(hooks) {
  if (run_.shares_masters()) check_shared_folder(run_);
  if (run_.world.is_first() || run_.shares_masters()) saver_ = make_saver(run_);
}

/// Into what this rank owns. If every rank has all, rank 0 reads and sends it round, so that other nodes need not see
/// its disk.
void RunCheckpoints::load(const fs::path& checkpoint, LoadWhat what) {
  if (!run_.world.is_first() && !run_.shares_masters()) return;
  load_checkpoint(checkpoint, what, run_.setup.store->state(), run_.setup.optimizer->state(), true);
}

namespace {

/// What a run takes from a checkpoint of another run, which may have had norms without running statistics, other
/// constraints, other penalties or no average.
struct Inheritance {
  StateTensors model, optimizer;
  std::set<std::string> kept;    // names of those of the model
  std::int64_t left_out = 0;     // states of the model that the checkpoint lacks
  bool average_goes_on = false;  // or there is none
};

Inheritance inherit(const TrainSetup& setup, const fs::path& checkpoint, LoadWhat what, const Growth& growth) {
  const auto& store = *setup.store;
  const bool all = what == LoadWhat::kAll;
  const auto stored = stored_shapes(checkpoint, what);
  const auto is_stored = [&](const StateTensor& state) { return stored.count(growth.source(state.name)) != 0; };
  std::set<std::string> optional, masters;
  for (const auto& master : store.masters()) masters.insert(master.name);
  for (const auto& state : store.constraint_state()) optional.insert(state.name);
  for (const auto& state : store.state()) {
    if (!all && masters.count(state.name) == 0) optional.insert(state.name);
  }
  Inheritance out;
  for (const auto& state : store.state()) {
    if (optional.count(state.name) != 0 && !is_stored(state)) {
      ++out.left_out;
      continue;
    }
    out.model.push_back(state);
    out.kept.insert(state.name);
  }
  if (!all) {  // weights alone are those that the checkpoint's run evaluated
    const auto evaluated =
        evaluation_entries(store, checkpoint, [&](const std::string& name) { return growth.source(name); });
    if (evaluated.empty()) return out;
    std::set<std::string> replaced;
    for (const auto& master : store.masters()) {
      if (master.trained) replaced.insert(master.name);
    }
    // What is in the checkpoint has to go somewhere.
    for (auto& state : out.model) {
      if (replaced.count(state.name) != 0 && state.is_owned()) state.tensor = at::empty_like(state.tensor);
    }
    out.model.insert(out.model.end(), evaluated.begin(), evaluated.end());
    return out;
  }
  const auto averages = setup.optimizer->average_state();
  out.average_goes_on = std::all_of(averages.begin(), averages.end(), is_stored);
  std::set<std::string> unknown;
  for (const auto& state : averages) {
    if (!out.average_goes_on) unknown.insert(state.name);
  }
  for (const auto& state : setup.optimizer->state()) {
    if (unknown.count(state.name) == 0) out.optimizer.push_back(state);
  }
  return out;
}

}  // namespace

/// What the checkpoint of another run lacks starts anew. Returns how many weights are in the average.
std::int64_t RunCheckpoints::load_other(const fs::path& checkpoint, LoadWhat what) {
  if (!run_.world.is_first() && !run_.shares_masters()) return 0;
  auto& store = *run_.setup.store;
  const Growth growth(run_.setup, stored_shapes(checkpoint));
  const auto taken = inherit(run_.setup, checkpoint, what, growth);
  const auto model = growth.request(taken.model), optimizer = growth.request(taken.optimizer);
  load_checkpoint(checkpoint, what, model.tensors, optimizer.tensors, true);
  model.finish();
  optimizer.finish();
  growth.zero_outputs(store);
  if (const auto grown = growth.text(); !grown.empty()) run_.record.say(cat("  grows to     ", grown));
  if (taken.left_out > 0) {
    run_.record.say(cat("  ", taken.left_out, " running statistics, states of penalties or states of constraints that ",
                        checkpoint.string(), " does not have start anew"));
  }
  const bool all = what == LoadWhat::kAll;
  store.begin_constraints(run_.counters.updates + run_.counters.schedule_offset,
                          all ? taken.kept : std::set<std::string>());
  const bool has_average = !run_.setup.optimizer->average_state().empty();
  return has_average && taken.average_goes_on ? averaged_in(read_state(checkpoint)) : 0;
}

/// All that the checkpoint and its state.json hold, on all ranks.
void RunCheckpoints::go_to(const fs::path& checkpoint, const nlohmann::json& state, Hook::Restored how) {
  run_.counters = counters_from_json(state);
  saved_step_ = run_.counters.step;
  load(checkpoint, LoadWhat::kAll);
  if (const auto clip = state_value(state).find("clip")) {
    std::vector<double> values;
    for (const auto& value : clip->items()) values.push_back(value.number());
    run_.setup.optimizer->restore_clip(values);
  }
  run_.setup.optimizer->restore_averaged(averaged_in(state));
  share_start();
  hooks_.restore(state, how);
}

void RunCheckpoints::load_start() {
  run_.world.set_phase(0, "loading weights");
  auto& store = *run_.setup.store;
  if (run_.resume) {
    resume(*run_.resume);
  } else {
    store.initialise(static_cast<std::uint64_t>(run_.config.run.seed));
    if (run_.shares_masters()) run_.step->refresh_weights();
    if (store.fits_outputs()) fit_start();
    if (run_.config.train.start_from) start_from(*run_.config.train.start_from);
  }
  run_.setup.optimizer->offset_schedules(run_.counters.schedule_offset);
  set_model_point();
  check_equal_weights(run_.world, store, run_.counters.step);
  if (!run_.world.is_first()) return;
  const auto first = state(false);
  check_space(checkpoints_folder(run_.dir()), first);
  if (!run_.shares_masters()) check_file_size(checkpoints_folder(run_.dir()), first);
}

/// Start values that wait for a batch get the first rows of the data, the same on all ranks.
void RunCheckpoints::fit_start() {
  const auto& setup = run_.setup;
  const auto batch = run_.data->make_batch(0, std::min(kFitRows, setup.rows_per_step));
  const auto tensors = to_tensors(batch, setup.config.data.reset_at_document, setup.model->device());
  const at::NoGradGuard no_grad;
  setup.store->fit_outputs([&] { setup.model->forward(tensors.tokens, tensors.documents, /*training=*/false); });
  setup.store->begin_constraints();
  run_.step->refresh_weights();
}

/// The model follows the counters.
void RunCheckpoints::set_model_point() {
  auto point = run_.setup.model->point();
  const auto offset = run_.counters.schedule_offset;
  point.updates = run_.counters.model_updates();
  // Updates of the optimizer when the run began, those before it, and the run's own.
  point.total_updates =
      first_position(run_.config) - offset + std::max<std::int64_t>(0, offset) + run_.setup.total_steps;
  run_.setup.model->set_point(point);
}

void RunCheckpoints::resume(const ResumePoint& point) {
  go_to(point.checkpoint, point.state, Hook::Restored::kResumed);
  if (run_.world.is_first()) {
    warn_if_not_exact(point.state.value("layout", nlohmann::json::object()),
                      execution_layout(run_.config, run_.setup.micro_batch, run_.world.size()));
    for (const auto& aside : set_aside_newer(run_.dir(), run_.counters.step)) {
      log::warning(cat("set aside ", aside.path.string(), ": the run goes on from step ", run_.counters.step));
    }
  }
  run_.record.say(cat("resumed from ", point.checkpoint.string(), " at step ", run_.counters.step));
}

void RunCheckpoints::start_from(const StartFrom& from) {
  const fs::path checkpoint = run_.world.broadcast(run_.start.checkpoint.string());
  run_.counters = counters_from_json(nlohmann::json::parse(run_.world.broadcast(to_json(run_.start.counters).dump())));
  const auto averaged = load_other(checkpoint, from.load == StartLoad::kAll ? LoadWhat::kAll : LoadWhat::kWeights);
  run_.setup.optimizer->restore_averaged(std::stoll(run_.world.broadcast(std::to_string(averaged))));
  share_start();
  run_.record.say(cat("started from ", checkpoint.string(), ": ",
                      start_text(run_.config, run_.start, run_.setup.schedule.total_steps)));
}

/// What was loaded goes to all.
void RunCheckpoints::share_start() {
  run_.world.wait_for_all();
  if (run_.shares_masters()) {
    for (const auto& buffer : run_.setup.store->buffers()) run_.world.broadcast(buffer);
  } else {
    for (const auto& state : run_.setup.store->state()) run_.world.broadcast(state.tensor);
    for (const auto& state : run_.setup.optimizer->state()) run_.world.broadcast(state.tensor);
  }
  run_.step->refresh_weights();
}

void RunCheckpoints::rewind(const std::string& reason) {
  nlohmann::json found;
  if (saver_) saver_->wait();
  if (run_.world.is_first()) {
    const auto newest = find_newest_valid(run_.dir()).found;
    if (!newest) {
      throw DivergedError(
          cat("diverged at step ", run_.counters.step, ": ", reason, ", and there is no checkpoint to go back to"));
    }
    found = {{"path", newest->path.string()}, {"state", read_state(newest->path)}};
  }
  const auto heard =
      JsonValue::parse(run_.world.broadcast(found.dump()), {"what rank 0 says of going back", ExitCode::kDistributed});
  const fs::path target = heard.at("path").text();
  const auto left = run_.counters;
  go_to(target, heard.at("state").raw(), Hook::Restored::kRewound);
  run_.counters.samples_consumed = left.samples_consumed;
  run_.counters.seconds = left.seconds;
  set_model_point();
  run_.record.open_metrics(run_.counters.step, run_.config.log.tensorboard);
  run_.record.event(run_.counters, "rewound",
                    {{"from_step", left.step}, {"checkpoint", target.string()}, {"reason", reason}});
  run_.record.warn(
      cat("went back from step ", left.step, " to ", target.string(), "; the batches in between are passed over"));
}

CheckpointState RunCheckpoints::state(bool finished) {
  CheckpointState out;
  out.step = run_.counters.step;
  out.state = to_json(run_.counters);
  out.state["finished"] = finished;
  out.state["data_identity"] = run_.data->identity();
  out.state["tokenizer"] = run_.data->tokenizer().hash();
  const auto opener = run_.data->document_opener();
  out.state["document_opener"] = opener ? nlohmann::json(*opener) : nlohmann::json();
  out.state["layout"] = execution_layout(run_.setup.config, run_.setup.micro_batch, run_.world.size());
  out.state["hooks"] = hooks_.state();
  if (const auto clip = run_.setup.optimizer->clip_state(); !clip.empty()) out.state["clip"] = clip;
  out.model = run_.setup.store->state();
  if (const auto flat = weights_to_evaluate(run_); flat.defined()) {
    for (auto& state : evaluation_state(*run_.setup.store, flat)) out.model.push_back(std::move(state));
  }
  if (const auto averaged = run_.setup.optimizer->averaged(); averaged > 0) out.state["averaged"] = averaged;
  out.optimizer = run_.setup.optimizer->state();
  out.config_yaml = dump_config(run_.setup.config);
  return out;
}

void RunCheckpoints::save(bool finished) {
  if (saved_step_ == run_.counters.step && !finished) return;
  saved_step_ = run_.counters.step;
  if (!saver_) return;
  run_.world.set_phase(run_.counters.step, "saving");
  run_.record.check_lock();
  run_.record.sync();
  SaveOptions options;
  options.existing = finished ? ExistingCheckpoint::kReplace : ExistingCheckpoint::kKeepIfValid;
  saver_->save(state(finished), options);
}

void RunCheckpoints::wait() {
  if (saver_) saver_->wait();
}

void RunCheckpoints::note_evaluation(double loss) {
  if (saver_) saver_->note_evaluation(run_.counters.step, loss);
}

}  // namespace ingot
