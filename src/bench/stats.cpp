#include "bench/stats.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "base/text.h"

namespace ingot {
namespace {

constexpr double kShortRun = 0.02;  // seconds

double quantile(const std::vector<double>& sorted, double share) {
  const double position = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const auto above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], position - static_cast<double>(below));
}

}  // namespace

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

TimeSummary summarise(std::vector<double> seconds) {
  if (seconds.empty()) return {};
  std::sort(seconds.begin(), seconds.end());
  return {quantile(seconds, 0.5), quantile(seconds, 0.25), quantile(seconds, 0.75), static_cast<int>(seconds.size())};
}

std::string short_number(double value) {
  const double size = std::abs(value);
  if (size >= 999.5) {
    const double unit = std::pow(10.0, std::floor(std::log10(size)) - 2);
    return format_grouped(std::llround(std::round(value / unit) * unit));
  }
  char text[32];
  std::snprintf(text, sizeof(text), "%.3g", value);
  return text;
}

std::string short_time(double seconds) {
  if (seconds >= 0.9995) return cat(short_number(seconds), " s");
  return seconds >= 0.9995e-3 ? cat(short_number(seconds * 1e3), " ms") : cat(short_number(seconds * 1e6), " µs");
}

std::vector<std::vector<std::vector<double>>> time_in_turns(const std::vector<TimedRun>& runs,
                                                            const TimingOptions& options) {
  std::vector<std::vector<std::vector<double>>> times(runs.size());
  std::vector<double> duration(runs.size());  // of a run
  for (int round = 0; round < options.rounds; ++round) {
    for (std::size_t i = 0; i < runs.size(); ++i) {
      // What ran before left its own data in the caches, which long runs do not notice.
      if (round == 0 || duration[i] < kShortRun) {
        const double start = seconds_now();
        runs[i]();
        duration[i] = seconds_now() - start;
      }
      const double end = seconds_now() + options.seconds / options.rounds;
      do {
        const auto parts = runs[i]();
        times[i].resize(parts.size());
        for (std::size_t part = 0; part < parts.size(); ++part) times[i][part].push_back(parts[part]);
      } while (seconds_now() + duration[i] < end);
    }
  }
  return times;
}

}  // namespace ingot
