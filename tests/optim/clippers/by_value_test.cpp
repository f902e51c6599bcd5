#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(ByValueClipping, BoundsEveryElementOfTheMeanGradient) {
  const auto clipper = read_clipper("{type: by_value, max_value: 0.25}");
  const auto made = clipper.entry().make(clipper.settings());
  EXPECT_TRUE(made->clips_units());
  for (const double scale : {1.0, 0.125}) {
    Master master;
    master.grad = at::tensor({0.5, -0.25, 0.125, -3.0}, at::kDouble) / scale;
    EXPECT_EQ(made->granularity(master), Granularity::kElement);
    made->clip_units_of(master, scale);
    EXPECT_TRUE(same_bits(master.grad * scale, at::tensor({0.25, -0.25, 0.125, -0.25}, at::kDouble))) << scale;
  }
}

TEST(ByValueClipping, RefusesABoundOfZero) {
  EXPECT_THROW(read_clipper("{type: by_value, max_value: 0}"), ConfigError);
}

}  // namespace
}  // namespace ingot::testing
