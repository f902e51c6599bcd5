#include "run/record.h"

#include "base/log.h"
#include "base/staged.h"
#include "base/text.h"
#include "run/stop_file.h"

namespace ingot {
namespace {

/// What killed starts left beside the files of the run. `ingot stop` writes STOP without the lock.
void remove_abandoned(const fs::path& dir) {
  remove_abandoned_files(dir, [](const std::string& name) {
    return name == "config.yaml" || name == "metrics.jsonl" || name == "status.json" || name == "summary.json" ||
           name == "tokenizer.model";
  });
  remove_abandoned_files(dir / "attempts", [](const std::string& name) { return glob_match("[0-9]*", name); });
}

}  // namespace

RunRecord::RunRecord(const fs::path& dir, bool active) : dir_(dir) {
  if (!active) return;
  claim_ = std::make_unique<FolderClaim>(dir, FolderKind::kRun, "run.dir");
  lock_ = std::make_unique<RunLock>(dir);
  // Before anybody can take this start for a running one: no request to it is taken for an old one.
  remove_earlier_stop_file(dir, lock_->path());
}

RunRecord::~RunRecord() { log::close_file(); }

void RunRecord::check_lock() {
  if (active()) lock_->check();
}

void RunRecord::begin(const std::vector<std::string>& command_line, std::int64_t step) {
  if (!active()) return;
  remove_abandoned(dir_);
  log::open_file((dir_ / "log.txt").string());
  attempt_ = std::make_unique<AttemptRecord>(dir_, command_line);
  status(step, nlohmann::json::object());
}

void RunRecord::open_metrics(std::optional<std::int64_t> resumed_step, bool tensorboard) {
  if (!active()) return;
  metrics_.reset();  // one writer at a time
  tensorboard_.reset();
  metrics_ = std::make_unique<MetricsWriter>(dir_, attempt(), resumed_step);
  if (tensorboard) tensorboard_ = std::make_unique<TensorBoardWriter>(dir_ / "tensorboard", resumed_step);
}

void RunRecord::add_facts(const nlohmann::ordered_json& facts) {
  if (attempt_) attempt_->add(facts);
}

void RunRecord::train(const TrainMetrics& m) {
  if (metrics_) metrics_->train(m);
  if (!tensorboard_) return;
  tensorboard_->scalar("train/loss", m.step, m.loss);
  tensorboard_->scalar("train/lr", m.step, m.lr);
  tensorboard_->scalar("train/grad_norm", m.step, m.grad_norm);
  tensorboard_->scalar("train/tokens_per_second", m.step, m.tokens_per_second);
}

void RunRecord::evaluation(const EvalMetrics& m, const std::string& text) {
  if (metrics_) metrics_->eval(m);
  if (tensorboard_) tensorboard_->scalar(cat("eval/", m.name, "/loss"), m.step, m.loss);
  say(text);
}

void RunRecord::event(const Counters& counters, const std::string& name, const nlohmann::ordered_json& fields) {
  if (metrics_) metrics_->event(counters.step, counters.tokens, name, fields);
}

void RunRecord::probe(const Counters& counters, const std::string& name, const nlohmann::ordered_json& fields) {
  if (metrics_) metrics_->probe(counters.step, counters.tokens, name, fields);
}

void RunRecord::sample(const Counters& counters, const std::string& text) {
  say(cat("sample: ", text));
  if (tensorboard_) tensorboard_->text("sample", counters.step, text);
}

void RunRecord::say(const std::string& line) {
  if (!active()) return;
  progress_.clear();
  log::info(line);
}

void RunRecord::warn(const std::string& line) {
  if (!active()) return;
  progress_.clear();
  log::warning(line);
}

void RunRecord::sync() {
  if (metrics_) metrics_->sync();
}

void RunRecord::status(std::int64_t step, nlohmann::json details) {
  if (!active() || !lock_->is_held()) return;
  RunStatus status;
  status.step = step;
  status.details = std::move(details);
  write_status(dir_, status);
}

void RunRecord::summary(const nlohmann::ordered_json& summary) {
  check_lock();
  if (active()) write_summary(dir_, summary);
}

void RunRecord::config(const std::string& text) {
  if (!active()) return;
  const auto file = dir_ / "config.yaml";
  if (const auto before = fs::exists(file) ? read_file(file) : text; before != text) {
    write_file_atomic(dir_ / "attempts" / cat(attempt_name(attempt()), "-config.yaml"), before);
  }
  write_file_atomic(file, text);
}

void RunRecord::end(ExitCode code, std::int64_t step, const std::string& reason) {
  progress_.clear();
  if (!attempt_) return;
  if (lock_->is_held()) write_status(dir_, final_status(code, step, reason));
  attempt_->finish(code, reason);
  log::close_file();
}

}  // namespace ingot
