#include "run/progress.h"

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace ingot {
namespace {

using testing::has;

TEST(Progress, FitsTheTerminalAndSaysWhatMatters) {
  const ProgressNumbers numbers{120, 400, 4.2134, 5321.4, 0.123, 80};
  const auto wide = progress_text(numbers, 100);
  EXPECT_TRUE(has(wide, "120/400", "loss 4.213", "5,321 tok/s", "mfu 12 %", "left", "#########....."));
  EXPECT_LE(wide.size(), 100u);
  EXPECT_LE(progress_text(numbers, 20).size(), 20u);
  EXPECT_TRUE(
      has(progress_text(DataProgress{"tokenising", 1 << 20, 4 << 20, 1 << 19, 6}), "tokenising", "1.0 MiB", "4.0 MiB"));
}

}  // namespace
}  // namespace ingot
