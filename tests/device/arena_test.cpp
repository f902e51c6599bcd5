#include "device/arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "base/random.h"
#include "device/machine.h"

namespace ingot {
namespace {

constexpr std::size_t kMiB = 1 << 20;

/// A block full of one byte.
struct Filled {
  unsigned char* data = nullptr;
  std::size_t size = 0;
  unsigned char byte = 0;

  Filled(Arena& arena, std::size_t bytes, unsigned char value)
      : data(static_cast<unsigned char*>(arena.allocate(bytes))), size(bytes), byte(value) {
    std::memset(data, byte, size);
  }
  bool is_whole() const {
    return std::all_of(data, data + size, [&](unsigned char b) { return b == byte; });
  }
};

TEST(Arena, BlocksKeepWhatIsWrittenToThem) {
  Arena arena(256 * kMiB);
  RandomStream random(1, "blocks");
  std::vector<Filled> blocks;
  for (int i = 0; i < 4000; ++i) {
    if (blocks.size() < 100 || random.uniform() < 0.5) {
      blocks.emplace_back(arena, 1 + random.below(1 << 16), static_cast<unsigned char>(i));
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(blocks.back().data) % Arena::kAlignment, 0u);
      EXPECT_TRUE(arena.owns(blocks.back().data));
    } else {
      const auto chosen = blocks.begin() + static_cast<std::ptrdiff_t>(random.below(blocks.size()));
      ASSERT_TRUE(chosen->is_whole());
      EXPECT_EQ(arena.release(chosen->data), Arena::block_size(chosen->size));
      blocks.erase(chosen);
    }
  }
  for (const Filled& block : blocks) EXPECT_TRUE(block.is_whole());
}

TEST(Arena, JoinsFreeNeighbours) {
  Arena arena(64 * kMiB);
  for (const std::vector<int>& order : {std::vector<int>{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}, {0, 2, 1, 3}}) {
    std::vector<void*> blocks;
    for (int i = 0; i < 4; ++i) blocks.push_back(arena.allocate(kMiB));
    for (const int i : order) arena.release(blocks[static_cast<std::size_t>(i)]);
    void* const whole = arena.allocate(4 * kMiB);
    EXPECT_EQ(whole, blocks[0]);
    arena.release(whole);
  }
  EXPECT_EQ(arena.extent(), 4 * kMiB);
}

TEST(Arena, TakesTheSmallestHoleThatFits) {
  Arena arena(64 * kMiB);
  std::vector<void*> blocks;
  for (const std::size_t size : {3, 1, 2, 1, 5, 1}) blocks.push_back(arena.allocate(size * kMiB));
  for (const int i : {0, 2, 4}) arena.release(blocks[static_cast<std::size_t>(i)]);
  EXPECT_EQ(arena.allocate(2 * kMiB), blocks[2]);
  EXPECT_EQ(arena.allocate(4 * kMiB), blocks[4]);
  EXPECT_EQ(arena.allocate(kMiB), static_cast<char*>(blocks[4]) + 4 * kMiB);
  EXPECT_EQ(arena.allocate(3 * kMiB), blocks[0]);
}

TEST(Arena, SaysWhenItIsFull) {
  Arena arena(4 * kMiB);
  void* const most = arena.allocate(3 * kMiB);
  EXPECT_NE(most, nullptr);
  EXPECT_EQ(arena.allocate(4 * kMiB), nullptr);
  EXPECT_EQ(arena.allocate(~std::size_t{0} - 8), nullptr);  // rounding it up would overflow
  arena.release(most);
  EXPECT_NE(arena.allocate(4 * kMiB), nullptr);
}

TEST(Arena, KnowsItsBlocks) {
  Arena arena(4 * kMiB);
  int other = 0;
  EXPECT_FALSE(arena.owns(&other));
  auto* const block = static_cast<char*>(arena.allocate(kMiB));
  EXPECT_THROW(arena.release(block + 64), std::logic_error);
  arena.release(block);
  EXPECT_THROW(arena.release(block), std::logic_error);
}

/// Activations of a step: forward takes and keeps, backward takes for a moment and gives back in reverse order.
void step(Arena& arena, RandomStream random) {
  std::vector<Filled> kept;
  for (int layer = 0; layer < 60; ++layer) {
    const Filled temporary(arena, kMiB / 4 + random.below(kMiB / 2), 1);
    kept.emplace_back(arena, kMiB / 4 + random.below(kMiB), 2);
    arena.release(temporary.data);
  }
  for (; !kept.empty(); kept.pop_back()) {
    const Filled gradient(arena, kMiB / 4 + random.below(kMiB), 3);
    arena.release(kept.back().data);
    arena.release(gradient.data);
  }
}

TEST(Arena, StepsThatRepeatCauseNoPageFaults) {
  Arena arena(512 * kMiB);
  step(arena, RandomStream(1, "steps"));
  const auto extent = arena.extent();
  const auto before = memory_use().minor_faults;
  for (int i = 0; i < 5; ++i) step(arena, RandomStream(1, "steps"));
  EXPECT_LT(memory_use().minor_faults - before, 20);
  EXPECT_EQ(arena.extent(), extent);
}

TEST(Arena, ServesThreads) {
  Arena arena(512 * kMiB);
  std::vector<std::thread> threads;
  for (unsigned char t = 1; t <= 4; ++t) {
    threads.emplace_back([&arena, t] {
      RandomStream random(t, "thread");
      for (int i = 0; i < 500; ++i) {
        const Filled a(arena, 1 + random.below(1 << 15), t), b(arena, 1 + random.below(1 << 12), t);
        EXPECT_TRUE(a.is_whole() && b.is_whole());
        arena.release(a.data);
        arena.release(b.data);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LT(arena.extent(), kMiB);
}

}  // namespace
}  // namespace ingot
