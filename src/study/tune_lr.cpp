#include "study/tune_lr.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "config/dump.h"
#include "recipe/load.h"
#include "study/line_chart.h"
#include "study/rate_search.h"
#include "study/trials.h"

namespace ingot {
namespace {

constexpr double kRangeBelow = 1e-3, kRangeAbove = 100;

double value_at(const RunConfig& config, const std::string& key) {
  std::vector<std::string> rates;
  for (const auto& field : flatten(config)) {
    if (field.path == key) {
      try {
        return std::stod(field.value);
      } catch (const std::exception&) {
        throw ConfigError(cat("--key ", key, ": found '", field.value, "', expected a number"));
      }
    }
    if (field.path.ends_with("lr")) rates.push_back(field.path);
  }
  throw ConfigError(cat("--key: '", key, "' is no setting of this config, expected such as ", join(rates, ", "),
                        did_you_mean(key, rates)));
}

/// The search of one config in one folder.
class LrSearch {
 public:
  LrSearch(const TuneLrOptions& options, const Families& families)
      : options_(options), config_(load_config(options.config, options.overrides, families)) {
    const auto& held_out = config_.data.validation;
    if (!held_out.fraction && held_out.paths.empty() && held_out.sets.empty()) {
      throw ConfigError("tune lr compares held-out losses, but data.validation is empty: expected sets or a fraction");
    }
    folder_ = options.dir.empty() ? fs::path("runs") / cat("tune_", config_.run.name) : fs::path(options.dir);
    configured_ = value_at(config_, options.key);
    if (configured_ <= 0) throw ConfigError(cat("--key ", options.key, ": expected a rate above 0 to begin around"));
    open_folder();
  }

  void run() {
    const TrialRunner runner(folder_, options_.config, options_.overrides);
    range_ = range_test(runner);
    first_ = first_rate(range_);
    log::info(cat("the range test was best near ", format_rate(4 * first_), ": complete runs begin at ",
                  format_rate(first_)));
    while (static_cast<std::int64_t>(tried_.size()) < options_.trials) {
      const auto rate = next_rate(tried_, first_);
      if (!rate) break;
      tried_.push_back(complete_run(runner, *rate));
    }
    write_results();
  }

  std::string text() const;

 private:
  static std::string format_rate(double rate) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.3g", rate);
    return text.data();
  }
  void open_folder() const;
  std::vector<std::pair<double, double>> range_test(const TrialRunner& runner) const;
  RateTrial complete_run(const TrialRunner& runner, double rate);
  void write_results() const;
  void write_chart(const char* file, const char* title, const char* y_label, const ChartSeries& series) const;

  TuneLrOptions options_;
  RunConfig config_;
  fs::path folder_;
  double configured_ = 0, first_ = 0;
  std::vector<std::pair<double, double>> range_;  // (rate, training loss)
  std::vector<RateTrial> tried_;                  // means over the seeds
  double seconds_ = 0;
};

/// study.json says what the folder's trials are of.
void LrSearch::open_folder() const {
  auto nameless = config_;  // every trial has another name
  nameless.run.name = nameless.run.dir = "";
  const nlohmann::ordered_json mine = {{"study", "tune lr"},
                                       {"key", options_.key},
                                       {"range_steps", options_.range_steps},
                                       {"seeds", options_.seeds},
                                       {"config", dump_config(nameless)}};
  const auto file = folder_ / "study.json";
  if (fs::exists(file)) {
    if (JsonValue::read(file, ExitCode::kConfig).raw() == nlohmann::json(mine)) return;
    throw ConfigError(cat(folder_.string(),
                          " holds the trials of another config or of other options: expected another "
                          "--dir, or this one removed"));
  }
  if (fs::exists(folder_) && !fs::is_empty(folder_)) {
    throw ConfigError(cat(folder_.string(), " holds files of others, expected a new or empty folder"));
  }
  fs::create_directories(folder_);
  write_file_atomic(file, mine.dump(2) + "\n");
}

std::vector<std::pair<double, double>> LrSearch::range_test(const TrialRunner& runner) const {
  const double ratio = kRangeBelow / kRangeAbove;
  Trial trial;
  trial.name = "range_test";
  trial.overrides = {
      cat(options_.key, "=", configured_ * kRangeAbove), cat("optim.schedule={type: range_test, from: ", ratio, "}"),
      cat("train.duration=", options_.range_steps, " steps"), "log.every=1 steps", "evaluation.tokens=1k"};
  runner.run(trial);  // that it diverges is no surprise
  auto losses = runner.losses_by_rate(trial);
  if (losses.size() >= 8) return losses;
  throw Error(ExitCode::kDiverged, cat("the range test ended after ", losses.size(), " steps, at a rate of ",
                                       losses.empty() ? "0" : format_rate(losses.back().first),
                                       ": expected a config that trains at a thousandth of its own rate"));
}

RateTrial LrSearch::complete_run(const TrialRunner& runner, double rate) {
  RateTrial out{rate, 0.0};
  for (std::int64_t i = 0; i < options_.seeds; ++i) {
    const auto seed = config_.run.seed + i;
    const auto text = format_rate(rate);
    const auto result =
        runner.run({cat("lr_", text, "_seed_", seed), {cat(options_.key, "=", text), cat("run.seed=", seed)}});
    seconds_ += result.seconds;
    if (result.diverged || !result.held_out) {
      out.loss.reset();
      break;
    }
    *out.loss += *result.held_out / static_cast<double>(options_.seeds);
  }
  out.rate = std::stod(format_rate(rate));  // what was trained
  log::info(cat(options_.key, " ", format_rate(rate), "  ",
                out.loss ? cat("held-out loss ", *out.loss) : std::string("diverged")));
  return out;
}

void LrSearch::write_results() const {
  const auto* best = best_trial(tried_);
  nlohmann::ordered_json out = {{"key", options_.key}, {"configured", configured_}, {"first", first_}};
  for (const auto& trial : tried_) {
    nlohmann::ordered_json one = {{"rate", trial.rate}};
    one["held_out"] = trial.loss ? nlohmann::ordered_json(*trial.loss) : nlohmann::ordered_json();
    out["trials"].push_back(one);
  }
  for (const auto& [rate, loss] : range_) out["range_test"].push_back({rate, loss});
  if (best != nullptr) {
    out["best"] = best->rate;
    write_file_atomic(folder_ / "override.txt", cat(options_.key, "=", format_rate(best->rate), "\n"));
  }
  write_file_atomic(folder_ / "trials.json", out.dump(2) + "\n");

  ChartSeries complete{"", {}}, rising{"", {}, false};
  for (const auto& trial : tried_) {
    if (trial.loss) complete.points.emplace_back(trial.rate, *trial.loss);
  }
  std::sort(complete.points.begin(), complete.points.end());
  write_chart("curve.svg", "Complete runs", "held-out loss, nats per token", complete);
  const double ceiling = range_.front().second * 1.1;  // what diverges would flatten the rest
  for (const auto& point : smoothed(range_)) {
    if (point.second <= ceiling) rising.points.push_back(point);
  }
  write_chart("range_test.svg", "One run in which the rate rises", "training loss, smoothed", rising);
}

void LrSearch::write_chart(const char* file, const char* title, const char* y_label, const ChartSeries& series) const {
  LineChart chart{cat(config_.run.name, ": ", title), options_.key, y_label, /*log_x=*/true, false, {series}};
  write_file_atomic(folder_ / file, to_svg(chart));
}

std::string LrSearch::text() const {
  auto rows = tried_;
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.rate < b.rate; });
  double low = 0, high = 0;
  bool any = false;
  for (const auto& row : rows) {
    if (!row.loss) continue;
    low = any ? std::min(low, *row.loss) : *row.loss;
    high = any ? std::max(high, *row.loss) : *row.loss;
    any = true;
  }
  const auto* best = best_trial(tried_);
  std::string out =
      cat("rate        held-out loss, mean of ", options_.seeds, options_.seeds == 1 ? " seed" : " seeds", "\n");
  for (const auto& row : rows) {
    std::array<char, 64> line{};
    if (row.loss) {
      std::snprintf(line.data(), line.size(), "%-10s  %.4f  ", format_rate(row.rate).c_str(), *row.loss);
      out += cat(line.data(), text_bar(*row.loss, low, high), best != nullptr && row.rate == best->rate ? "  best" : "",
                 "\n");
    } else {
      std::snprintf(line.data(), line.size(), "%-10s  diverged\n", format_rate(row.rate).c_str());
      out += line.data();
    }
  }
  if (best == nullptr) return out + "every rate diverged\n";
  if (next_rate(tried_, first_)) out += "the best rate has no worse one on each side yet: expected more --trials\n";
  if (const auto optimum = interpolated_optimum(tried_)) {
    out += cat("a parabola through the best and its neighbours is lowest at ", format_rate(*optimum), "\n");
  }
  out += cat("trained ", format_duration(seconds_), " in ", tried_.size(),
             " trials; curves: ", (folder_ / "curve.svg").string(), ", range_test.svg\n");
  out += "next:\n  ingot train " + options_.config;
  for (const auto& override_text : options_.overrides) out += cat(" '", override_text, "'");
  return out + cat(" ", options_.key, "=", format_rate(best->rate), "\n");
}

}  // namespace

std::string tune_lr(const TuneLrOptions& options, const Families& families) {
  LrSearch search(options, families);
  search.run();
  return search.text();
}

}  // namespace ingot
