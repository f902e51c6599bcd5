#pragma once
// metrics.jsonl: one JSON object a line, each with kind, step, tokens, time (Unix seconds) and attempt. A value that is
// not finite is null beside "nonfinite": true. Each step appears once, however often the run was resumed.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "run/append.h"

namespace ingot {

struct TrainMetrics {
  std::int64_t step = 0;
  std::int64_t tokens = 0;  // since the start of the run
  double loss = 0;          // token-weighted mean since the last line, without auxiliary losses
  double lr = 0;
  double grad_norm = 0;
  double tokens_per_second = 0;
  std::optional<double> mfu;  // unknown where the device's peak is
  double step_seconds = 0;
  double data_wait = 0;  // seconds a step
  std::optional<std::int64_t> memory_bytes;
  /// Further keys, after those above.
  nlohmann::ordered_json extra = nlohmann::ordered_json::object();
};

struct EvalMetrics {
  std::int64_t step = 0;
  std::int64_t tokens = 0;              // since the start of the run
  std::string name;                     // of the evaluation set
  double loss = 0;                      // nats per token
  std::optional<double> bits_per_byte;  // unknown for data without text
  std::int64_t eval_tokens = 0;         // scored; key "tokens_scored"
  nlohmann::ordered_json extra = nlohmann::ordered_json::object();
};

/// Replaces NaN and infinities by null, at any depth; true if there were any.
bool replace_nonfinite(nlohmann::ordered_json& value);

class MetricsWriter {
 public:
  /// `resumed_step`: the step of the checkpoint that the run goes on from; none if it starts afresh. Lines past it (all
  /// of them when starting afresh) move to attempts/NNNN-metrics.jsonl, NNNN being the attempt that wrote them; a last
  /// line that a kill cut in two is removed. Both are logged.
  MetricsWriter(const fs::path& run_dir, std::int64_t attempt, std::optional<std::int64_t> resumed_step);

  void train(const TrainMetrics& metrics);
  void eval(const EvalMetrics& metrics);
  /// Something that happened: `name` such as "resumed", "skipped_step", "checkpoint", with further keys.
  void event(std::int64_t step, std::int64_t tokens, const std::string& name,
             const nlohmann::ordered_json& fields = nlohmann::ordered_json::object());
  void probe(std::int64_t step, std::int64_t tokens, const std::string& name, const nlohmann::ordered_json& fields);
  /// fsync: before a checkpoint, so that the lines up to it survive a power cut as it does.
  void sync() { file_.sync(); }

 private:
  nlohmann::ordered_json start_line(const char* kind, std::int64_t step, std::int64_t tokens) const;
  void write(nlohmann::ordered_json line, const nlohmann::ordered_json& extra);
  std::int64_t attempt_;
  AppendFile file_;
};

/// The lines of a metrics file; a last line without its end is left out. Throws Error naming file and line of one that
/// cannot be read.
std::vector<nlohmann::json> read_metrics(const fs::path& file);

}  // namespace ingot
