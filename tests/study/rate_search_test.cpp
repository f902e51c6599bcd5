#include "study/rate_search.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ingot {
namespace {

/// A loss with its lowest point at `best`, a parabola in log2(rate).
double bowl(double rate, double best) { return 2 + std::pow(std::log2(rate / best), 2); }

std::vector<RateTrial> search(double first, double best, double diverges_at) {
  std::vector<RateTrial> tried;
  while (const auto rate = next_rate(tried, first)) {
    RateTrial trial{*rate, std::nullopt};
    if (*rate < diverges_at) trial.loss = bowl(*rate, best);
    tried.push_back(trial);
    if (tried.size() > 40) break;
  }
  return tried;
}

TEST(RateSearch, FindsTheBestOfHalfOctavesFromEitherSide) {
  for (const double first : {1e-4, 1e-3, 0.02}) {
    const auto tried = search(first, 1.1e-3, 1);
    EXPECT_LT(tried.size(), 14U) << first;
    EXPECT_LT(std::abs(std::log2(best_trial(tried)->rate / 1.1e-3)), 0.5) << first;
  }
}

TEST(RateSearch, ComesBackFromDivergence) {
  const auto tried = search(1, 1e-2, 0.05);
  EXPECT_FALSE(tried.front().loss);
  EXPECT_LT(std::abs(std::log2(best_trial(tried)->rate / 1e-2)), 0.5);
}

TEST(RateSearch, ADivergedNeighbourCountsAsWorse) {
  const auto tried = search(0.04, 0.06, 0.05);  // beyond the best rate training fails
  EXPECT_LT(best_trial(tried)->rate, 0.05);
  EXPECT_GT(best_trial(tried)->rate, 0.039);
}

TEST(RateSearch, NothingIsTriedTwice) {
  const auto tried = search(3e-3, 1e-3, 1);
  for (std::size_t i = 0; i < tried.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_GT(std::abs(std::log2(tried[i].rate / tried[j].rate)), 0.4);
  }
}

TEST(RateSearch, TheOptimumOfAParabolaIsItsLowestPoint) {
  const std::vector<RateTrial> tried = {
      {1e-3, bowl(1e-3, 1.7e-3)}, {4e-3, bowl(4e-3, 1.7e-3)}, {2e-3, bowl(2e-3, 1.7e-3)}};
  EXPECT_NEAR(*interpolated_optimum(tried), 1.7e-3, 1e-9);
  EXPECT_FALSE(interpolated_optimum({{1e-3, 2.0}, {2e-3, 3.0}}));  // the best is at the edge
}

TEST(RateSearch, BeginsBelowTheLowestPointOfTheRangeTest) {
  std::vector<std::pair<double, double>> losses;
  for (int i = 0; i < 200; ++i) {
    const double rate = 1e-5 * std::pow(10, i / 40.0);
    losses.emplace_back(rate, rate < 0.1 ? 5 - 1e1 * rate : 1e2 * rate);
  }
  const double first = first_rate(losses);
  EXPECT_GT(first, 0.1 / 8);
  EXPECT_LT(first, 0.1 / 2);
}

TEST(RateSearch, SmoothingHasNoPullTowardsZero) {
  for (const auto& [rate, loss] : smoothed({{1, 3}, {2, 3}, {3, 3}})) EXPECT_DOUBLE_EQ(loss, 3) << rate;
}

}  // namespace
}  // namespace ingot
