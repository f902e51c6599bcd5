#include "checkpoint/saver.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>

#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "checkpoint/errors.h"
#include "checkpoint/file_system.h"
#include "checkpoint/manifest.h"

namespace ingot {

using namespace checkpoint_detail;

namespace {

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

fs::path evaluations_file(const fs::path& run_dir) { return checkpoints_folder(run_dir) / kEvaluationsFile; }

/// Under a temporary name first, so that a kill in between leaves no half of a checkpoint under a final one.
void remove_checkpoint(const fs::path& path) {
  const fs::path doomed = path.parent_path() / cat(kTemporaryMark, "removed-", path.filename().string());
  fs::remove_all(doomed);
  rename_durably(path, doomed, ExitCode::kCheckpoint);
  fs::remove_all(doomed);
}

}  // namespace

std::vector<std::int64_t> expendable_steps(const std::vector<std::int64_t>& steps, std::int64_t committed,
                                           const Retention& retention, std::optional<std::int64_t> best) {
  std::vector<std::int64_t> older;
  for (const std::int64_t step : steps) {
    if (step <= committed) older.push_back(step);
  }
  std::set<std::int64_t> kept{committed};
  const auto last = std::min(static_cast<std::size_t>(std::max<std::int64_t>(retention.keep_last, 1)), older.size());
  kept.insert(older.end() - static_cast<std::ptrdiff_t>(last), older.end());
  if (retention.keep_every > 0) {
    std::int64_t stretch = 0;
    for (const std::int64_t step : older) {
      if (step / retention.keep_every <= stretch) continue;
      stretch = step / retention.keep_every;
      kept.insert(step);
    }
  }
  if (retention.keep_best && best) kept.insert(*best);
  std::vector<std::int64_t> expendable;
  for (const std::int64_t step : older) {
    if (kept.count(step) == 0) expendable.push_back(step);
  }
  return expendable;
}

CheckpointSaver::CheckpointSaver(SaverOptions options, std::unique_ptr<SavingRanks> ranks)
    : options_(std::move(options)), ranks_(std::move(ranks)) {
  if (!leads()) return;
  with_checkpoint_errors([&] {
    fs::create_directories(checkpoints_folder(options_.run_dir));
    probe_file_system(checkpoints_folder(options_.run_dir));
    remove_stale_saves(options_.run_dir);
    load_evaluations();
  });
}

bool CheckpointSaver::leads() const { return !ranks_ || ranks_->leads(); }

CheckpointSaver::~CheckpointSaver() {
  if (ranks_) ranks_->hang_up();
  try {
    wait();
  } catch (const DistributedError& e) {
    log::debug(cat("a save was given up: ", e.what()));  // why is said where the run ends
  } catch (const std::exception& e) {
    log::error(e.what());
  }
}

void CheckpointSaver::save(const CheckpointState& state, const SaveOptions& options) {
  const double started = now_seconds();
  wait();
  if (!options_.async) return write(state, options, started, 0);
  CheckpointState staged = stage(state);
  const double stalled = now_seconds() - started;
  running_ = std::async(std::launch::async, [this, staged = std::move(staged), options, started, stalled] {
    write(staged, options, started, stalled);
  });
}

void CheckpointSaver::wait() {
  if (running_.valid()) running_.get();
}

bool CheckpointSaver::busy() const {
  return running_.valid() && running_.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
}

std::optional<CheckpointSaver::Last> CheckpointSaver::last() const {
  const std::scoped_lock lock(mutex_);
  return last_;
}

CheckpointState CheckpointSaver::stage(const CheckpointState& state) {
  const at::NoGradGuard no_grad;
  CheckpointState staged = state;
  const auto copy = [&](const std::string& group, StateTensors& tensors) {
    for (auto& saved : tensors) {
      if (!saved.is_owned()) continue;
      auto& tensor = saved.tensor;
      at::Tensor& buffer = staging_[group + saved.name];
      if (!buffer.defined() || buffer.sizes() != tensor.sizes() || buffer.scalar_type() != tensor.scalar_type()) {
        // Copies from a GPU are several times faster into pinned memory.
        buffer = at::empty(tensor.sizes(),
                           at::TensorOptions().dtype(tensor.scalar_type()).pinned_memory(tensor.device().is_cuda()));
      }
      buffer.copy_(tensor);
      tensor = buffer;
    }
  };
  copy("model/", staged.model);
  copy("optimizer/", staged.optimizer);
  return staged;
}

void CheckpointSaver::write(const CheckpointState& state, const SaveOptions& options, double started, double stalled) {
  Last saved;
  if (ranks_) ranks_->next();
  saved.path = save_checkpoint(options_.run_dir, state, options, ranks_.get());
  saved.step = state.step;
  saved.bytes = checkpoint_size(state);
  saved.total_seconds = now_seconds() - started;
  saved.stall_seconds = options_.async ? stalled : saved.total_seconds;
  {
    const std::scoped_lock lock(mutex_);
    last_ = saved;
  }
  if (!leads()) return;
  try {
    remove_old(state.step);
  } catch (const std::exception& e) {
    // The checkpoint is safe; that an old one stays is no reason to stop.
    log::warning(cat("cannot remove old checkpoints: ", e.what()));
  }
}

void CheckpointSaver::remove_old(std::int64_t committed) {
  // Broken ones neither count nor go: they may be of a newer program, or worth a look.
  std::vector<CheckpointInfo> usable;
  std::vector<std::int64_t> steps;
  for (const CheckpointInfo& checkpoint : list_checkpoints(options_.run_dir)) {
    if (!find_damage(checkpoint.path, Verify::kSizes).empty()) continue;
    usable.push_back(checkpoint);
    steps.push_back(checkpoint.step);
  }
  for (const std::int64_t step : expendable_steps(steps, committed, options_.retention, best_of(usable))) {
    remove_checkpoint(checkpoint_path(options_.run_dir, step));
  }
  forget_evaluations(committed);
}

std::vector<CheckpointInfo> CheckpointSaver::rewind(std::int64_t step) {
  wait();
  std::vector<CheckpointInfo> moved = set_aside_newer(options_.run_dir, step);
  const std::scoped_lock lock(mutex_);
  evaluations_.erase(evaluations_.upper_bound(step), evaluations_.end());
  store_evaluations();
  return moved;
}

void CheckpointSaver::note_evaluation(std::int64_t step, double value) {
  if (!std::isfinite(value)) return;
  const std::scoped_lock lock(mutex_);
  evaluations_[step] = value;
  store_evaluations();
}

std::optional<std::int64_t> CheckpointSaver::best_step() const { return best_of(list_checkpoints(options_.run_dir)); }

std::optional<std::int64_t> CheckpointSaver::best_of(const std::vector<CheckpointInfo>& existing) const {
  const std::scoped_lock lock(mutex_);
  std::optional<std::int64_t> best;
  for (const CheckpointInfo& checkpoint : existing) {
    const auto it = evaluations_.find(checkpoint.step);
    if (it == evaluations_.end()) continue;
    if (!best || it->second < evaluations_.at(*best)) best = checkpoint.step;
  }
  return best;
}

/// Values of steps without a checkpoint; those after `up_to` may still get one.
void CheckpointSaver::forget_evaluations(std::int64_t up_to) {
  std::set<std::int64_t> existing;
  for (const CheckpointInfo& checkpoint : list_checkpoints(options_.run_dir)) existing.insert(checkpoint.step);
  const std::scoped_lock lock(mutex_);
  const std::size_t removed =
      std::erase_if(evaluations_, [&](const auto& e) { return e.first <= up_to && existing.count(e.first) == 0; });
  if (removed > 0) store_evaluations();
}

void CheckpointSaver::load_evaluations() {
  const fs::path file = evaluations_file(options_.run_dir);
  if (!fs::exists(file)) return;
  try {
    for (const auto& entry : JsonValue::read(file, ExitCode::kCheckpoint).items()) {
      evaluations_[entry.at("step").whole(0)] = entry.at("value").number();
    }
  } catch (const Error& error) {
    log::warning(cat("which checkpoint is the best is decided anew: ", error.what()));
    evaluations_.clear();
  }
  forget_evaluations(INT64_MAX);
}

/// Precondition: the mutex is held.
void CheckpointSaver::store_evaluations() {
  nlohmann::json document = nlohmann::json::array();
  for (const auto& [step, value] : evaluations_) document.push_back({{"step", step}, {"value", value}});
  try {
    write_file_atomic(evaluations_file(options_.run_dir), document.dump() + "\n", ExitCode::kCheckpoint);
  } catch (const Error& e) {
    log::warning(e.what());
  }
}

}  // namespace ingot
