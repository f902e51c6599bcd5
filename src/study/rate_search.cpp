#include "study/rate_search.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <stdexcept>

namespace ingot {
namespace {

constexpr double kSmoothing = 0.9;
constexpr int kStep = 2;  // half octaves

/// Half octaves from `first`.
int place_of(double rate, double first) { return static_cast<int>(std::lround(2 * std::log2(rate / first))); }

double rate_at(int place, double first) { return first * std::pow(2.0, place / 2.0); }

}  // namespace

std::vector<std::pair<double, double>> smoothed(const std::vector<std::pair<double, double>>& losses) {
  std::vector<std::pair<double, double>> out;
  double average = 0, weight = 0;
  for (const auto& [rate, loss] : losses) {
    average = kSmoothing * average + (1 - kSmoothing) * loss;
    weight = kSmoothing * weight + (1 - kSmoothing);
    out.emplace_back(rate, average / weight);
  }
  return out;
}

double first_rate(const std::vector<std::pair<double, double>>& losses) {
  if (losses.empty()) throw std::invalid_argument("first_rate: no losses");
  const auto curve = smoothed(losses);
  const auto begin = curve.begin() + static_cast<std::ptrdiff_t>(curve.size() / 4);
  const auto lowest =
      std::min_element(begin, curve.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return lowest->first / 4;
}

const RateTrial* best_trial(const std::vector<RateTrial>& tried) {
  const RateTrial* best = nullptr;
  for (const auto& trial : tried) {
    if (trial.loss && (best == nullptr || *trial.loss < *best->loss)) best = &trial;
  }
  return best;
}

std::optional<double> next_rate(const std::vector<RateTrial>& tried, double first) {
  if (tried.empty()) return first;
  std::map<int, const RateTrial*> places;
  for (const auto& trial : tried) places[place_of(trial.rate, first)] = &trial;
  const auto* best = best_trial(tried);
  if (best == nullptr) return rate_at(places.begin()->first - 2 * kStep, first);
  const int b = place_of(best->rate, first);
  const auto is_tried = [&](int place) { return places.count(place) != 0; };
  for (const int side : {1, -1}) {
    if (!is_tried(b + side) && !is_tried(b + side * kStep)) return rate_at(b + side * kStep, first);
  }
  for (const int side : {1, -1}) {
    if (!is_tried(b + side)) return rate_at(b + side, first);
  }
  return std::nullopt;
}

std::optional<double> interpolated_optimum(const std::vector<RateTrial>& tried) {
  std::map<double, double> losses;  // by log(rate)
  for (const auto& trial : tried) {
    if (trial.loss) losses[std::log(trial.rate)] = *trial.loss;
  }
  const auto* best = best_trial(tried);
  if (best == nullptr) return std::nullopt;
  const auto middle = losses.find(std::log(best->rate));
  if (middle == losses.begin() || std::next(middle) == losses.end()) return std::nullopt;
  const auto [x0, y0] = *std::prev(middle);
  const auto [x1, y1] = *middle;
  const auto [x2, y2] = *std::next(middle);
  const double left = (y1 - y0) / (x1 - x0), right = (y2 - y1) / (x2 - x1);
  const double curvature = (right - left) / (x2 - x0);
  if (curvature <= 0) return std::nullopt;
  return std::exp((x0 + x1) / 2 - left / (2 * curvature));
}

}  // namespace ingot
