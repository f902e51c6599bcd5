#include "train/micro_batches.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

TEST(MicroBatches, CoverTheStepOnceAndDifferByOneAtMost) {
  for (const std::int64_t rows : {1, 5, 8, 17}) {
    for (const std::int64_t size : {1, 2, 3, 8}) {
      for (const int world : {1, 2, 3, 5}) {
        std::int64_t next = 0, fewest = rows, most = 0;
        for (int rank = 0; rank < world; ++rank) {
          const MicroBatches mine(rows, size, rank, world);
          for (std::int64_t i = 0; i < mine.count(); ++i) {
            EXPECT_EQ(mine.first_row(i), next);
            EXPECT_GE(mine.rows(i), 1);
            EXPECT_LE(mine.rows(i), size);
            next += mine.rows(i);
          }
          fewest = std::min(fewest, mine.count());
          most = std::max(most, mine.count());
        }
        EXPECT_EQ(next, rows);
        EXPECT_LE(most - fewest, 1);
      }
    }
  }
}

}  // namespace
}  // namespace ingot
