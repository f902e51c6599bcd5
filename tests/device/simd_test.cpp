// Loops compiled for several instruction sets: which is taken, and that each gives the same bits.

#include "device/simd.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "device/level_kernels.h"
#include "device/machine.h"

namespace ingot::testing {
namespace {

TEST(Simd, TakesTheLevelOfLibTorchsKernels) {
  const std::string set = instruction_set();
  const auto expected = set.starts_with("AVX512") ? simd::Level::kV4
                        : set.starts_with("AVX2") ? simd::Level::kV3
                                                  : simd::Level::kBaseline;
  EXPECT_EQ(simd::level(), expected) << set;
}

TEST(Simd, EveryLevelGivesTheSameBits) {
  std::vector<float> x;
  RandomStream random(3, "simd");
  for (int i = 0; i < 1003; ++i) x.push_back(static_cast<float>(4 * random.normal()));
  const auto base = run_loop(x, simd::Level::kBaseline);
  EXPECT_EQ(run_loop(x), base);
  for (auto level : {simd::Level::kV3, simd::Level::kV4}) {
    if (level > simd::level()) continue;
    EXPECT_EQ(run_loop(x, level), base) << static_cast<int>(level);
  }
  EXPECT_NE(base.sum, 0);
}

}  // namespace
}  // namespace ingot::testing
