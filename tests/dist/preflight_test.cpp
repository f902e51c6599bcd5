#include "dist/preflight.h"

#include <gtest/gtest.h>

#include <mutex>

#include "dist/threads.h"

namespace ingot {
namespace {

TEST(Preflight, AllRanksGetTheSameFigures) {
  std::mutex mutex;
  std::vector<Preflight> all;
  const auto thrown = testing::run_threads(3, [&](World& world) {
    const auto measured = preflight(world, at::kCPU);
    const std::scoped_lock lock(mutex);
    all.push_back(measured);
  });
  testing::expect_no_error(thrown);
  ASSERT_EQ(all.size(), 3u);
  for (const auto& measured : all) {
    EXPECT_EQ(measured.all_reduce, all[0].all_reduce);
    EXPECT_EQ(measured.with_first, all[0].with_first);
  }
  EXPECT_GT(all[0].all_reduce, 0);
  ASSERT_EQ(all[0].with_first.size(), 3u);
  EXPECT_EQ(all[0].with_first[0], 0);
  EXPECT_GT(all[0].with_first[1], 0);
  EXPECT_GT(all[0].with_first[2], 0);
}

TEST(Preflight, NamesRanksFarOverTheOthers) {
  Preflight measured;
  measured.with_first = {0, 0.002, 0.0031, 0.01, 0.0025};
  EXPECT_EQ(slow_ranks(measured), (std::vector<int>{3}));
  measured.with_first = {0, 0.002, 0.007};
  EXPECT_EQ(slow_ranks(measured), (std::vector<int>{2}));
  measured.with_first = {0, 0.5};  // nothing to compare it with
  EXPECT_TRUE(slow_ranks(measured).empty());
}

TEST(Preflight, SaysTheRate) {
  Preflight measured;
  measured.bytes = 4 << 20;
  measured.all_reduce = 0.01;
  EXPECT_EQ(measured.text(), "an all-reduce of 4.0 MiB takes 10.0 ms (0.42 GB/s a rank)");
}

}  // namespace
}  // namespace ingot
