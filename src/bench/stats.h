#pragma once
// Times of repeated runs, in one number and its spread.

#include <functional>
#include <string>
#include <vector>

namespace ingot {

/// Order statistics of a set of times: they do not mind the few runs that something else on the machine disturbed.
struct TimeSummary {
  double median = 0;  // seconds
  double lower = 0;   // first quartile
  double upper = 0;   // third quartile
  int runs = 0;

  /// Interquartile range over the median; 0 without runs.
  double relative_spread() const { return median > 0 ? (upper - lower) / median : 0; }
};

/// Quartiles by linear interpolation between order statistics.
TimeSummary summarise(std::vector<double> seconds);

/// Something to be timed: one run gives its times, one for each part.
using TimedRun = std::function<std::vector<double>()>;

struct TimingOptions {
  double seconds = 0.5;  // for each, all its rounds together; warm-up not counted
  int rounds = 5;        // turns of each, one run at least: slow drifts of the machine reach all alike
};

/// Runs everything in turns, the first turn and those of short runs after one run that does not count. Returns
/// times[i][part][run].
std::vector<std::vector<std::vector<double>>> time_in_turns(const std::vector<TimedRun>& runs,
                                                            const TimingOptions& options);

/// "812 µs", "3.42 ms", "1.25 s": three digits.
std::string short_time(double seconds);
/// Three digits: "0.0312", "3.14", "512", "12,300".
std::string short_number(double value);

/// Seconds of the steady clock, from some fixed moment.
double seconds_now();

}  // namespace ingot
