#pragma once
// What a run writes and shows of itself: lock, log, metrics, TensorBoard, status, record of the attempt, progress. Rank
// 0 does; on the other ranks every call does nothing, so that the loop reads the same everywhere.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/own_folder.h"
#include "run/attempt.h"
#include "run/counters.h"
#include "run/lock.h"
#include "run/metrics.h"
#include "run/progress.h"
#include "run/status.h"
#include "run/tensorboard.h"

namespace ingot {

class RunRecord {
 public:
  /// Takes the lock of the directory, which is new or a run's. `active` is false on ranks other than the first. Throws
  /// ConfigError if there is anything in the way.
  RunRecord(const fs::path& dir, bool active);
  ~RunRecord();

  bool active() const { return lock_ != nullptr; }
  const fs::path& dir() const { return dir_; }
  /// Throws ConfigError if the lock was lost.
  void check_lock();

  /// Opens the log, numbers the attempt, says that the run is running.
  void begin(const std::vector<std::string>& command_line, std::int64_t step);
  /// Opens metrics and TensorBoard. Lines past `resumed_step` are moved away.
  void open_metrics(std::optional<std::int64_t> resumed_step, bool tensorboard);
  std::int64_t attempt() const { return attempt_ ? attempt_->number() : 0; }
  void add_facts(const nlohmann::ordered_json& facts);

  void train(const TrainMetrics& metrics);
  /// `text` is the log's line.
  void evaluation(const EvalMetrics& metrics, const std::string& text);
  void event(const Counters& counters, const std::string& name, const nlohmann::ordered_json& fields);
  void probe(const Counters& counters, const std::string& name, const nlohmann::ordered_json& fields);
  void sample(const Counters& counters, const std::string& text);
  /// Log lines, after the progress line was taken away.
  void say(const std::string& line);
  void warn(const std::string& line);
  ProgressLine* progress() { return active() ? &progress_ : nullptr; }
  void clear_progress() { progress_.clear(); }
  /// Before a checkpoint: the metrics up to it survive a power cut as it does.
  void sync();

  void status(std::int64_t step, nlohmann::json details);
  void summary(const nlohmann::ordered_json& summary);
  /// config.yaml. One that differs was edited, or is of an earlier start: it is kept as attempts/NNNN-config.yaml.
  void config(const std::string& text);
  /// The run's end: status and attempt say how. What another process went on with is left to it.
  void end(ExitCode code, std::int64_t step, const std::string& reason);

 private:
  fs::path dir_;
  std::unique_ptr<FolderClaim> claim_;
  std::unique_ptr<RunLock> lock_;
  std::unique_ptr<AttemptRecord> attempt_;
  std::unique_ptr<MetricsWriter> metrics_;
  std::unique_ptr<TensorBoardWriter> tensorboard_;
  ProgressLine progress_;
};

}  // namespace ingot
