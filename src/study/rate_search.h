#pragma once
// Searching a learning rate: where to begin, which one to try next, which one is best. No training happens here.

#include <optional>
#include <utility>
#include <vector>

namespace ingot {

/// A rate and the loss that it led to; none if training diverged.
struct RateTrial {
  double rate = 0;
  std::optional<double> loss;
};

/// (rate, loss) pairs, smoothed as moving averages of the losses (each keeps 0.9 of the one before), without the pull
/// towards the first value that a plain average has.
std::vector<std::pair<double, double>> smoothed(const std::vector<std::pair<double, double>>& losses);

/// The rate to begin a search with, from the losses of a run in which the rate rose: a quarter of the rate at which the
/// smoothed loss was lowest. The first quarter of the run is left out, where the loss falls at any rate.
double first_rate(const std::vector<std::pair<double, double>>& losses);

/// The best trial; none if all diverged.
const RateTrial* best_trial(const std::vector<RateTrial>& tried);

/// The rate to try next, all being `first` times powers of the root of 2: in steps of 2 until the best one has a worse
/// one on either side, then at half steps beside it. None when it has neighbours at half steps. Where everything
/// diverged, a quarter of the lowest.
std::optional<double> next_rate(const std::vector<RateTrial>& tried, double first);

/// Where a parabola in log(rate) through the best trial and its neighbours has its minimum; none where it has none
/// between them.
std::optional<double> interpolated_optimum(const std::vector<RateTrial>& tried);

}  // namespace ingot
