#include "study/tune_scaling.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "eval/batch_tensors.h"
#include "objective/objective.h"
#include "recipe/load.h"
#include "study/line_chart.h"
#include "train/make_setup.h"
#include "train/resume.h"
#include "train/step.h"

namespace ingot {
namespace {

/// Mean absolute values by place; sub-layers of one operator, and the stream behind all of them, are averaged.
class Look {
 public:
  void add(const std::string& place, const at::Tensor& value) {
    seen_[place].push_back(value.to(at::kDouble));
    if (seen_[place].size() == 1) order_.push_back(place);
  }
  const std::vector<std::string>& places() const { return order_; }
  double size(const std::string& place) const {
    return mean(place, [](const at::Tensor& x, std::size_t) { return x; });
  }
  double distance(const std::string& place, const Look& from) const {
    const auto& before = from.seen_.at(place);
    return mean(place, [&](const at::Tensor& x, std::size_t i) { return x - before[i]; });
  }

 private:
  template <class F>
  double mean(const std::string& place, const F& of) const {
    const auto& values = seen_.at(place);
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += of(values[i], i).abs().mean().template item<double>();
    return sum / static_cast<double>(values.size());
  }

  std::map<std::string, std::vector<at::Tensor>> seen_;
  std::vector<std::string> order_;
};

/// `logits_factor` is part of what the head reads, but not of what the final norm gives.
Look look_at(const LanguageModel& model, double logits_factor, const BatchTensors& batch) {
  using Place = Activation::Place;
  Look look;
  model.observe(batch.tokens, batch.documents, [&](const Activation& seen) {
    switch (seen.place) {
      case Place::kEmbedding:
        look.add("embedding", seen.value);
        break;
      case Place::kBranch:
        look.add(cat("branch of ", seen.op), seen.value);
        break;
      case Place::kStream:
        look.add("stream", seen.value);
        break;
      case Place::kHidden:
        look.add("final norm", seen.value / logits_factor);
        look.add("logits", logits(seen.value, model.head()));
        break;
    }
  });
  return look;
}

std::vector<PlaceSize> sizes_at(const TuneScalingOptions& options, std::int64_t width, const Families& families) {
  std::vector<std::string> overrides;
  for (const auto& text : options.overrides) overrides.push_back(at_width(text, width));
  overrides.push_back(cat("model.d_model=", width));
  const auto config = load_config(options.config, overrides, families);
  const auto data = open_training_data(config, std::nullopt, families, {});
  auto setup =
      make_setup(config, families, {.vocab_size = data.vocab_size(), .tokens_per_epoch = data.tokens_per_epoch()});
  setup.store->allocate();
  setup.optimizer->allocate();
  setup.store->initialise(static_cast<std::uint64_t>(config.run.seed));
  const auto first = first_sample(config);
  const auto reset = config.data.reset_at_document;
  const auto batch = to_tensors(data.make_batch(first, options.rows), reset, setup.model->device());
  const auto before = look_at(*setup.model, setup.store->scaling().logits(), batch);
  TrainStep step(setup);
  auto next = first;
  for (std::int64_t i = 1; i <= options.steps; ++i) {
    for (std::int64_t done = 0; done < setup.rows_per_step; done += setup.micro_batch) {
      const auto rows = std::min(setup.micro_batch, setup.rows_per_step - done);
      step.accumulate(data.make_batch(next + done, rows), done + rows == setup.rows_per_step);
    }
    next += setup.rows_per_step;
    if (!step.finish(i).applied) {
      throw Error(ExitCode::kDiverged, cat("width ", width, ": step ", i, " was not finite: expected a lower rate"));
    }
  }
  const auto after = look_at(*setup.model, setup.store->scaling().logits(), batch);
  std::vector<PlaceSize> out;
  for (const auto& place : before.places()) out.push_back({place, before.size(place), after.distance(place, before)});
  log::info(cat("width ", width, ": ", format_count(static_cast<double>(setup.store->num_parameters())),
                " parameters, ", options.steps, " steps"));
  return out;
}

/// What `inner` of `{width` inner `}` makes of a width: nothing, "/32" or "*3".
std::int64_t number_of(const std::string& inner, std::int64_t width) {
  if (inner.empty()) return width;
  const auto digits = inner.substr(1);
  const bool readable = (inner[0] == '/' || inner[0] == '*') && !digits.empty() && digits.size() < 7 &&
                        digits.find_first_not_of("0123456789") == std::string::npos && std::stol(digits) > 0;
  if (!readable) throw ConfigError(cat("found '{width", inner, "', expected such as {width}, {width/32}, {width*3}"));
  const std::int64_t factor = std::stol(digits);
  if (inner[0] == '*') return width * factor;
  if (width % factor != 0) throw ConfigError(cat("{width", inner, "}: ", width, " is no multiple of ", factor));
  return width / factor;
}

/// Least squares of log(y) over log(x); 0 where a y is 0.
double slope(const std::vector<std::pair<double, double>>& points) {
  double mean_x = 0, mean_y = 0;
  for (const auto& [x, y] : points) {
    if (y <= 0) return 0;
    mean_x += std::log(x) / static_cast<double>(points.size());
    mean_y += std::log(y) / static_cast<double>(points.size());
  }
  double xx = 0, xy = 0;
  for (const auto& [x, y] : points) {
    xx += (std::log(x) - mean_x) * (std::log(x) - mean_x);
    xy += (std::log(x) - mean_x) * (std::log(y) - mean_y);
  }
  return xy / xx;
}

std::string table(const std::vector<std::pair<std::int64_t, std::vector<PlaceSize>>>& sizes,
                  const std::vector<PlaceVerdict>& judged) {
  std::string out =
      "mean |x - start| after the last step, by width; exponents of the width in it and in mean |start|\n";
  char line[160];
  out += "place           ";
  for (const auto& [width, places] : sizes) {
    std::snprintf(line, sizeof line, "%10lld", static_cast<long long>(width));
    out += line;
  }
  out += "   moved   start  verdict\n";
  for (std::size_t i = 0; i < judged.size(); ++i) {
    std::snprintf(line, sizeof line, "%-16s", judged[i].place.c_str());
    out += line;
    for (const auto& [width, places] : sizes) {
      std::snprintf(line, sizeof line, "%10.3g", places[i].moved);
      out += line;
    }
    std::snprintf(line, sizeof line, "%8.2f%8.2f  %s\n", judged[i].moved_slope, judged[i].start_slope,
                  judged[i].verdict.c_str());
    out += line;
  }
  return out;
}

}  // namespace

std::string at_width(const std::string& override_text, std::int64_t width) {
  std::string out;
  std::size_t from = 0;
  for (auto begin = override_text.find("{width"); begin != std::string::npos;
       begin = override_text.find("{width", from)) {
    const auto end = override_text.find('}', begin);
    const auto inner = end == std::string::npos ? "?" : override_text.substr(begin + 6, end - begin - 6);
    out += cat(override_text.substr(from, begin - from), number_of(inner, width));
    from = end + 1;
  }
  return out + override_text.substr(from);
}

std::vector<PlaceVerdict> verdicts(const std::vector<std::pair<std::int64_t, std::vector<PlaceSize>>>& sizes,
                                   double tolerance) {
  std::vector<PlaceVerdict> out;
  for (std::size_t i = 0; i < sizes.front().second.size(); ++i) {
    std::vector<std::pair<double, double>> start, moved;
    bool still = true;
    for (const auto& [width, places] : sizes) {
      start.emplace_back(width, places[i].start);
      moved.emplace_back(width, places[i].moved);
      still = still && places[i].moved == 0;
    }
    PlaceVerdict one{sizes.front().second[i].place, slope(start), slope(moved), "holds"};
    if (still) {
      one.verdict = "does not move";
    } else if (one.moved_slope > tolerance) {
      one.verdict = "moves more in wider models";
    } else if (one.moved_slope < -tolerance) {
      one.verdict = "moves less in wider models";
    }
    out.push_back(one);
  }
  return out;
}

std::string tune_scaling(const TuneScalingOptions& options, const Families& families) {
  if (options.widths.size() < 2) throw ConfigError("--widths: expected two or more, such as 64,128,256");
  std::vector<std::pair<std::int64_t, std::vector<PlaceSize>>> sizes;
  for (const auto width : options.widths) sizes.emplace_back(width, sizes_at(options, width, families));
  const auto judged = verdicts(sizes, options.tolerance);
  auto out = table(sizes, judged);
  const bool all_hold =
      std::all_of(judged.begin(), judged.end(), [](const auto& one) { return one.verdict == "holds"; });
  out += all_hold ? "every place moves alike at all widths: rates found at one width should hold at the others\n"
                  : "rates found at one width will not hold at the others (weights.scaling: mup is made for that)\n";
  if (!options.svg.empty()) {
    LineChart chart{"Movement of activations over widths", "d_model", "mean |x - start|", true, true, {}};
    chart.x_ticks.assign(options.widths.begin(), options.widths.end());
    for (std::size_t i = 0; i < judged.size(); ++i) {
      ChartSeries series{judged[i].place, {}};
      for (const auto& [width, places] : sizes) series.points.emplace_back(width, places[i].moved);
      chart.series.push_back(std::move(series));
    }
    write_file_atomic(options.svg, to_svg(chart));
    out += cat("chart: ", options.svg, "\n");
  }
  return out;
}

}  // namespace ingot
