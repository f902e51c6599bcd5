#include <gtest/gtest.h>

#include "optim/bench.h"

namespace ingot::testing {
namespace {

TEST(NoAverage, HasNothingToAverage) {
  const auto variant = read_average("none");
  EXPECT_EQ(variant.entry().make(variant.settings(), {}), nullptr);
}

TEST(NoAverage, IsTheDefault) { EXPECT_EQ(optim_config("{optimizer: adamw}").average.name(), "none"); }

}  // namespace
}  // namespace ingot::testing
