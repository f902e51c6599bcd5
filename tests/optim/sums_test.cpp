#include "optim/sums.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/stack.h>
#include <gtest/gtest.h>

#include <deque>

#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Sums, OfBlocksAndColumns) {
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    for (const std::int64_t length : {1, 7, 40001}) {  // the last is cut into pieces
      const at::Tensor x = at::randn({3, length}, dtype), y = at::randn({3, length}, dtype);
      const at::Tensor wide_x = x.to(at::kDouble), wide_y = y.to(at::kDouble);
      const auto agrees = [&](const at::Tensor& sums, const at::Tensor& expected) {
        return close(sums.to(dtype), expected.to(dtype), Tolerance::of(dtype).chain(4));
      };
      EXPECT_TRUE(agrees(block_squares({0.5, x}, length), (0.5 * wide_x).square().sum(1)));
      EXPECT_TRUE(agrees(block_squares({0.5, x, -2, y}, length), (0.5 * wide_x - 2 * wide_y).square().sum(1)));
      const auto pairs = at::stack({wide_x.square().sum(1), (wide_x * wide_y).sum(1), wide_y.square().sum(1)}, 1);
      EXPECT_TRUE(agrees(block_pair_sums(x, y, length), pairs));
      EXPECT_TRUE(agrees(column_squares(3, x), (3 * wide_x).square().sum(0)));
      EXPECT_NEAR(absolute_sum(x), wide_x.abs().sum().item<double>(), 1e-8);
      EXPECT_NEAR(sum_along(x, y, x), (wide_x * (wide_y - wide_x)).sum().item<double>(),
                  dtype == at::kFloat ? 0.1 : 1e-8);
    }
  }
}

TEST(Sums, OfAGroupDoNotDependOnWhoOwnsWhat) {
  std::deque<Master> masters(5);
  std::vector<Slot> slots(5);
  std::vector<std::array<double, 2>> values;
  for (std::size_t i = 0; i < 5; ++i) {
    masters[i].index = i;
    slots[i].master = &masters[i];
    values.push_back({1.0 / static_cast<double>(3 + i), 1e16 * static_cast<double>(i % 2) - 1});
  }
  const auto whole = sum_over_group<2>(slots, values, {});
  // Ranks with {0, 3}, with {1, 2, 4} and with nothing: the first one's sum, to which the others' values are added.
  UpdateContext context;
  context.num_masters = 5;
  context.sum_over_ranks = [&](at::Tensor& all) {
    for (const std::size_t i : {1, 2, 4}) {
      for (std::size_t k = 0; k < 2; ++k) all[static_cast<std::int64_t>(2 * i + k)].fill_(values[i][k]);
    }
  };
  EXPECT_EQ(sum_over_group<2>({slots[0], slots[3]}, {values[0], values[3]}, context), whole);
}

}  // namespace
}  // namespace ingot::testing
