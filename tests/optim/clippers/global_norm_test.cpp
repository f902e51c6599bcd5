#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"

namespace ingot::testing {
namespace {

TEST(GlobalNorm, ScalesDownToTheBound) {
  const auto clipper = read_clipper("{type: global_norm, max_norm: 0.5}");
  const auto made = clipper.entry().make(clipper.settings());
  EXPECT_EQ(made->factor({0.25}), 1);
  EXPECT_EQ(made->factor({0}), 1);
  EXPECT_DOUBLE_EQ(made->factor({1.05}), 0.5 / (1.05 + 1e-6));
  EXPECT_NEAR(made->factor({1.05}), 0.4761900, 5e-8);
}

TEST(GlobalNorm, RefusesABoundOfZero) { EXPECT_THROW(read_clipper("{type: global_norm, max_norm: 0}"), ConfigError); }

}  // namespace
}  // namespace ingot::testing
