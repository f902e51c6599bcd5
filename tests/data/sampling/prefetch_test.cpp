#include "data/sampling/prefetch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "base/error.h"

namespace ingot {
namespace {

Batch numbered(std::int64_t number) {
  Batch batch;
  batch.rows = number;
  return batch;
}

TEST(Prefetcher, KeepsTheOrderAndEnds) {
  std::int64_t made = 0;
  Prefetcher prefetcher(
      [&]() -> std::optional<Batch> { return made < 100 ? std::optional(numbered(made++)) : std::nullopt; }, 3);
  for (std::int64_t i = 0; i < 100; ++i) EXPECT_EQ(prefetcher.next()->rows, i);
  EXPECT_FALSE(prefetcher.next().has_value());
  EXPECT_FALSE(prefetcher.next().has_value());
}

TEST(Prefetcher, MakesNoMoreThanItsDepthAhead) {
  std::atomic<std::int64_t> made{0};
  Prefetcher prefetcher([&] { return std::optional(numbered(made++)); }, 4);
  prefetcher.next();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  // One taken, four waiting.
  EXPECT_EQ(made, 5);
}

TEST(Prefetcher, AnErrorComesAfterTheBatchesBeforeIt) {
  std::int64_t made = 0;
  Prefetcher prefetcher(
      [&]() -> std::optional<Batch> {
        if (made == 2) throw DataError("broken shard");
        return numbered(made++);
      },
      8);
  EXPECT_EQ(prefetcher.next()->rows, 0);
  EXPECT_EQ(prefetcher.next()->rows, 1);
  EXPECT_THROW(prefetcher.next(), DataError);
  EXPECT_THROW(prefetcher.next(), DataError);
}

TEST(Prefetcher, MayBeLeftAtAnyTime) {
  for (int i = 0; i < 50; ++i) {
    Prefetcher prefetcher([] { return std::optional(numbered(1)); }, 2);
    if (i % 2 == 0) prefetcher.next();
  }
}

TEST(Prefetcher, CountsTheTimeItWaits) {
  Prefetcher prefetcher(
      []() -> std::optional<Batch> {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        return std::nullopt;
      },
      1);
  prefetcher.next();
  EXPECT_GT(prefetcher.seconds_waited(), 0.02);
}

}  // namespace
}  // namespace ingot
