#include "run/metrics.h"

#include <cmath>
#include <map>
#include <unordered_set>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "run/attempt.h"

namespace ingot {
namespace {

using json = nlohmann::ordered_json;

constexpr const char* kDamagedLines = "damaged-metrics.jsonl";

/// To the millisecond.
double time_of_line() { return std::floor(1000 * unix_seconds()) / 1000; }

fs::path metrics_file(const fs::path& run_dir) { return run_dir / "metrics.jsonl"; }

struct MetricsLine {
  std::string text;  // with its end
  std::int64_t step = 0;
  std::int64_t attempt = 0;
};

struct MetricsText {
  std::vector<MetricsLine> lines;
  std::vector<std::size_t> damaged;  // numbers of lines that are no metrics
  std::string damaged_text;
  bool repaired_end = false;
};

/// Lines up to the last complete one. A kill leaves at most the last line without its end; a power cut may leave zeros.
MetricsText split_lines(const std::string& bytes) {
  MetricsText out;
  std::size_t begin = 0;
  for (std::size_t number = 1; begin < bytes.size(); ++number) {
    const std::size_t end = bytes.find('\n', begin);
    const std::string text = bytes.substr(begin, end == std::string::npos ? end : end - begin);
    try {
      const auto value = JsonValue::parse(text, {});
      out.lines.push_back({text + "\n", value.at("step").whole(), value.at("attempt").whole()});
    } catch (const Error&) {
      if (end != std::string::npos) {
        out.damaged.push_back(number);
        out.damaged_text += text + "\n";
      }
    }
    if (end == std::string::npos) {
      out.repaired_end = true;
      break;
    }
    begin = end + 1;
  }
  return out;
}

/// Adds lines to those that earlier resumes moved there. Lines already there are left out, so that a resume which is
/// killed half-way can be repeated.
void add_moved_lines(const fs::path& file, const std::string& lines) {
  fs::create_directories(file.parent_path());
  std::string text = fs::exists(file) ? read_file(file) : std::string();
  std::unordered_set<std::string> known;
  for (std::string& line : split(text, '\n')) known.insert(std::move(line));
  for (const std::string& line : split(lines, '\n')) {
    if (!line.empty() && known.insert(line).second) text += line + "\n";
  }
  write_file_atomic(file, text);
}

/// Leaves in metrics.jsonl what happened up to the checkpoint. Returns its path.
fs::path prepare_metrics(const fs::path& run_dir, std::optional<std::int64_t> resumed_step) {
  const fs::path file = metrics_file(run_dir);
  if (!fs::exists(file)) return file;
  const MetricsText text = split_lines(read_file(file));
  std::string kept;
  std::map<std::int64_t, std::string> moved;  // by attempt
  std::size_t count = 0;
  for (const MetricsLine& line : text.lines) {
    const bool keep = resumed_step && line.step <= *resumed_step;
    (keep ? kept : moved[line.attempt]) += line.text;
    count += keep ? 0 : 1;
  }
  if (!text.damaged.empty()) add_moved_lines(run_dir / "attempts" / kDamagedLines, text.damaged_text);
  for (const std::size_t number : text.damaged) {
    log::warning(cat("'", file.string(), "': line ", number, " is damaged and was moved to attempts/", kDamagedLines));
  }
  if (text.repaired_end) log::info(cat("'", file.string(), "': repaired the last line, which a kill had cut off"));
  for (const auto& [attempt, lines] : moved) {
    const fs::path target = run_dir / "attempts" / cat(attempt_name(attempt), "-metrics.jsonl");
    add_moved_lines(target, lines);
    log::info(cat("moved metrics ", resumed_step ? cat("past step ", *resumed_step) : "of an earlier start", " to '",
                  target.string(), "'"));
  }
  if (count > 0 || text.repaired_end || !text.damaged.empty()) write_file_atomic(file, kept);
  return file;
}

/// A number, or null where it is not known.
template <class T>
json or_null(const std::optional<T>& value) {
  return value ? json(*value) : json();
}

}  // namespace

bool replace_nonfinite(json& value) {
  if (value.is_number_float() && !std::isfinite(value.get<double>())) {
    value = nullptr;
    return true;
  }
  if (!value.is_structured()) return false;
  bool any = false;
  for (auto& element : value) any = replace_nonfinite(element) || any;
  return any;
}

MetricsWriter::MetricsWriter(const fs::path& run_dir, std::int64_t attempt, std::optional<std::int64_t> resumed_step)
    : attempt_(attempt), file_(prepare_metrics(run_dir, resumed_step)) {}

json MetricsWriter::start_line(const char* kind, std::int64_t step, std::int64_t tokens) const {
  return {{"kind", kind}, {"step", step}, {"tokens", tokens}, {"time", time_of_line()}, {"attempt", attempt_}};
}

void MetricsWriter::write(json line, const json& extra) {
  for (const auto& [key, value] : extra.items()) line[key] = value;
  if (replace_nonfinite(line)) line["nonfinite"] = true;
  // Text may come from anywhere (a sample, a path): bytes that are not UTF-8 must not stop a run.
  file_.append(line.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
}

void MetricsWriter::train(const TrainMetrics& m) {
  json line = start_line("train", m.step, m.tokens);
  line["loss"] = m.loss;
  line["lr"] = m.lr;
  line["grad_norm"] = m.grad_norm;
  line["tokens_per_second"] = m.tokens_per_second;
  line["mfu"] = or_null(m.mfu);
  line["step_seconds"] = m.step_seconds;
  line["data_wait"] = m.data_wait;
  line["memory_bytes"] = or_null(m.memory_bytes);
  write(std::move(line), m.extra);
}

void MetricsWriter::eval(const EvalMetrics& m) {
  json line = start_line("eval", m.step, m.tokens);
  line["name"] = m.name;
  line["loss"] = m.loss;
  line["bits_per_byte"] = or_null(m.bits_per_byte);
  line["tokens_scored"] = m.eval_tokens;
  write(std::move(line), m.extra);
}

void MetricsWriter::event(std::int64_t step, std::int64_t tokens, const std::string& name, const json& fields) {
  json line = start_line("event", step, tokens);
  line["event"] = name;
  write(std::move(line), fields);
}

void MetricsWriter::probe(std::int64_t step, std::int64_t tokens, const std::string& name, const json& fields) {
  json line = start_line("probe", step, tokens);
  line["name"] = name;
  write(std::move(line), fields);
}

std::vector<nlohmann::json> read_metrics(const fs::path& file) {
  const std::string bytes = read_file(file);
  std::vector<nlohmann::json> lines;
  std::size_t begin = 0;
  for (int number = 1; begin < bytes.size(); ++number) {
    const std::size_t end = bytes.find('\n', begin);
    if (end == std::string::npos) break;
    const auto value =
        JsonValue::parse(std::string_view(bytes).substr(begin, end - begin), {file.string(), ExitCode::kOther, number});
    if (!value.is_object()) throw Error(ExitCode::kOther, Location{file.string(), number, 0}, "not a JSON object");
    lines.push_back(value.raw());
    begin = end + 1;
  }
  return lines;
}

}  // namespace ingot
