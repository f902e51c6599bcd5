#include <gtest/gtest.h>

#include "optim/bench.h"

namespace ingot::testing {
namespace {

TEST(NoClipping, LeavesGradientsAlone) {
  const auto clipper = read_clipper("none");
  EXPECT_EQ(clipper.entry().make(clipper.settings())->factor({1e9}), 1);
}

}  // namespace
}  // namespace ingot::testing
