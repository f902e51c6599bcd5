#include "device/machine.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <vector>

namespace ingot {
namespace {

TEST(Machine, ThreadsAreWhatWasSet) {
  const int before = at::get_num_threads();
  set_threads(1);
  EXPECT_EQ(at::get_num_threads(), 1);
  set_threads(before);
}

TEST(Machine, CoresAreAtLeastOneAndAtMostTheHardwares) {
  EXPECT_GE(usable_cores(), 1);
  EXPECT_LE(usable_cores(), static_cast<int>(std::thread::hardware_concurrency()));
}

TEST(Machine, ResidentMemoryGrowsWithWhatIsTouched) {
  const auto before = memory_use();
  std::vector<char> block(256 << 20, 1);
  const auto after = memory_use();
  EXPECT_GE(after.resident - before.resident, 200 << 20);
  EXPECT_GE(after.peak_resident, after.resident);
  EXPECT_GT(after.minor_faults, before.minor_faults);
  EXPECT_GT(after.available, 0);
  EXPECT_EQ(block.back(), 1);
}

TEST(Machine, MatmulSpeedIsPositive) {
  EXPECT_GT(measure_matmul_gflops(MatmulType::kFloat32, 64, 5), 0);
  EXPECT_FALSE(instruction_set().empty());
  EXPECT_FALSE(cpu_name().empty());
}

}  // namespace
}  // namespace ingot
