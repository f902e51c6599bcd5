#include "data/sampling/sample_order.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace ingot {
namespace {

TEST(SampleOrder, EachWindowComesOnceAnEpoch) {
  for (const std::int64_t windows : {1, 2, 3, 100, 1023}) {
    const SampleOrder order({{"train", windows, 1}}, 7);
    std::vector<std::int64_t> first, second;
    for (std::int64_t i = 0; i < 2 * windows; ++i) {
      const SampleSlot slot = order.at(i);
      EXPECT_EQ(slot.epoch, i / windows);
      (i < windows ? first : second).push_back(slot.window);
    }
    EXPECT_EQ(std::set<std::int64_t>(first.begin(), first.end()).size(), static_cast<std::size_t>(windows));
    EXPECT_EQ(std::set<std::int64_t>(second.begin(), second.end()).size(), static_cast<std::size_t>(windows));
    EXPECT_GE(*std::min_element(first.begin(), first.end()), 0);
    EXPECT_LT(*std::max_element(first.begin(), first.end()), windows);
    if (windows > 50) {
      EXPECT_NE(first, second) << "epochs have their own order";
    }
  }
}

TEST(SampleOrder, DependsOnSeedAndName) {
  const auto sequence = [](const char* name, std::uint64_t seed) {
    const SampleOrder order({{name, 1000, 1}}, seed);
    std::vector<std::int64_t> windows;
    for (std::int64_t i = 0; i < 100; ++i) windows.push_back(order.at(i).window);
    return windows;
  };
  EXPECT_EQ(sequence("a", 1), sequence("a", 1));
  EXPECT_NE(sequence("a", 1), sequence("a", 2));
  EXPECT_NE(sequence("a", 1), sequence("b", 1));
}

TEST(SampleOrder, MixesByWeightEverywhere) {
  const SampleOrder order({{"a", 1000, 5}, {"b", 50, 3}, {"c", 7, 2}}, 1);
  EXPECT_NEAR(order.share(0), 0.5, 1e-9);
  EXPECT_NEAR(order.share(1), 0.3, 1e-9);
  EXPECT_NEAR(order.share(2), 0.2, 1e-9);
  for (const std::int64_t start : {0LL, 12345LL, 1'000'000'000'000LL}) {
    std::vector<double> count(3);
    for (std::int64_t i = 0; i < 1000; ++i) {
      ++count[order.at(start + i).source];
      // Any prefix of any stretch is close to the shares.
      for (std::size_t s = 0; s < 3; ++s) EXPECT_NEAR(count[s], order.share(s) * static_cast<double>(i + 1), 3);
    }
  }
}

TEST(SampleOrder, ASourceOfAMixtureStillGoesThroughEachEpoch) {
  const SampleOrder order({{"a", 1000, 5}, {"b", 50, 3}, {"c", 7, 2}}, 1);
  std::vector<std::vector<std::pair<std::int64_t, std::int64_t>>> seen(3);
  for (std::int64_t i = 0; i < 3000; ++i) {
    const SampleSlot slot = order.at(i);
    seen[slot.source].emplace_back(slot.epoch, slot.window);
  }
  const std::int64_t windows[] = {1000, 50, 7};
  for (std::size_t s = 0; s < 3; ++s) {
    std::set<std::pair<std::int64_t, std::int64_t>> unique(seen[s].begin(), seen[s].end());
    EXPECT_EQ(unique.size(), seen[s].size()) << "no window twice in an epoch";
    for (std::size_t k = 0; k < seen[s].size(); ++k) {
      EXPECT_EQ(seen[s][k].first, static_cast<std::int64_t>(k) / windows[s]) << "epochs follow each other";
    }
  }
}

TEST(SampleOrder, TheSameSourceAloneOrMixedHasTheSameOrder) {
  const SampleOrder alone({{"a", 1000, 1}}, 3), mixed({{"x", 10, 1}, {"a", 1000, 1}}, 3);
  std::int64_t k = 0;
  for (std::int64_t i = 0; i < 200; ++i) {
    const SampleSlot slot = mixed.at(i);
    if (slot.source == 1) {
      EXPECT_EQ(slot.window, alone.at(k++).window);
    }
  }
  EXPECT_GT(k, 90);
}

}  // namespace
}  // namespace ingot
