#include "bench/stats.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

TEST(BenchStats, QuartilesInterpolateBetweenOrderStatistics) {
  const auto odd = summarise({5, 1, 3, 2, 4});
  EXPECT_DOUBLE_EQ(odd.median, 3);
  EXPECT_DOUBLE_EQ(odd.lower, 2);
  EXPECT_DOUBLE_EQ(odd.upper, 4);
  EXPECT_EQ(odd.runs, 5);
  EXPECT_DOUBLE_EQ(odd.relative_spread(), 2.0 / 3);
  const auto even = summarise({4, 1, 2, 3});
  EXPECT_DOUBLE_EQ(even.median, 2.5);
  EXPECT_DOUBLE_EQ(even.lower, 1.75);
  EXPECT_DOUBLE_EQ(even.upper, 3.25);
  EXPECT_EQ(summarise({}).runs, 0);
  EXPECT_EQ(summarise({}).relative_spread(), 0);
  EXPECT_DOUBLE_EQ(summarise({7}).median, 7);
}

TEST(BenchStats, OneDisturbedRunDoesNotMatter) {
  EXPECT_DOUBLE_EQ(summarise({1, 1, 1, 1, 1, 1, 1, 1, 100}).median, 1);
  EXPECT_DOUBLE_EQ(summarise({1, 1, 1, 1, 1, 1, 1, 1, 100}).relative_spread(), 0);
}

TEST(BenchStats, EverythingGetsItsTurnInEveryRound) {
  std::vector<int> order;
  const auto run = [&](int id) {
    return [&order, id] {
      order.push_back(id);
      return std::vector<double>{1.0 * id, 10.0 * id};
    };
  };
  const auto times = time_in_turns({run(1), run(2)}, {0, 3});
  // One run to warm up and one that counts, in each of three rounds.
  EXPECT_EQ(order, (std::vector<int>{1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 2, 2}));
  ASSERT_EQ(times.size(), 2u);
  EXPECT_EQ(times[1], (std::vector<std::vector<double>>{{2, 2, 2}, {20, 20, 20}}));
}

TEST(BenchStats, NumbersHaveThreeDigits) {
  EXPECT_EQ(short_number(3.14159), "3.14");
  EXPECT_EQ(short_number(0.03124), "0.0312");
  EXPECT_EQ(short_number(12345), "12,300");
  EXPECT_EQ(short_number(999.7), "1,000");
  EXPECT_EQ(short_time(0.0123456), "12.3 ms");
  EXPECT_EQ(short_time(1.5), "1.5 s");
  EXPECT_EQ(short_time(8.12e-5), "81.2 µs");
}

}  // namespace
}  // namespace ingot
