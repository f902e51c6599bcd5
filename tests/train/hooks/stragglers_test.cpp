#include "train/hooks/stragglers.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

TEST(Stragglers, AreNamedWithWhatHoldsThem) {
  StragglerWatch watch({"a", "b", "c"});
  for (int i = 0; i < 10; ++i) watch.add({{1, 0}, {1.1, 0}, {1, 0.05}});
  EXPECT_EQ(watch.take_report(), "");
  for (int i = 0; i < 10; ++i) watch.add({{1, 0}, {1.5, 0}, {1, 3}});
  EXPECT_EQ(watch.take_report(),
            "slow over 10 steps: rank 2 (c) takes 2.67 times the median step, most of it waiting for data");
  for (int i = 0; i < 10; ++i) watch.add({{1, 0}, {1.5, 0}, {1, 0}});
  EXPECT_EQ(watch.take_report(),
            "slow over 10 steps: rank 1 (b) takes 1.50 times the median step, most of it computing");
}

}  // namespace
}  // namespace ingot
