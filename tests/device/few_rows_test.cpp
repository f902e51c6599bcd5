#include "device/few_rows.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include "device/machine.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

constexpr std::int64_t kDepth = 75, kColumns = 2063;  // the depth is no multiple of the lanes

TEST(FewRows, AgreesWithTheLibrary) {
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    for (const auto out : {dtype, at::kFloat}) {
      for (std::int64_t rows = 1; rows <= 4; ++rows) {
        SCOPED_TRACE(rows);
        const auto a = random_normal({rows, kDepth + 5}, 1).to(dtype).narrow(1, 3, kDepth);
        const auto b = random_normal({kColumns, kDepth + 9}, 2).to(dtype).narrow(1, 2, kDepth).t();
        const auto buffer = at::ones({rows, kColumns + 7}, at::TensorOptions(out));
        const auto c = buffer.narrow(1, 0, kColumns);
        ASSERT_TRUE(suits_few_rows(a, b));
        few_rows_matmul(c, a, b);
        const auto expected = at::mm(a.to(at::kDouble), b.to(at::kDouble));
        EXPECT_TRUE(close(c.contiguous(), expected, Tolerance::of(out).reduction(kDepth)));
        EXPECT_EQ(buffer.narrow(1, kColumns, 7).sum().item<double>(), rows * 7);
      }
    }
  }
}

TEST(FewRows, BitsDoNotDependOnThreads) {
  const auto a = random_normal({2, kDepth}, 1).to(at::kFloat),
             b = random_normal({kColumns, kDepth}, 2).to(at::kFloat).t();
  const auto together = at::empty({2, kColumns}), alone = at::empty({2, kColumns});
  few_rows_matmul(together, a, b);
  set_threads(1);
  few_rows_matmul(alone, a, b);
  set_threads(usable_cores());
  EXPECT_TRUE(together.equal(alone));
}

TEST(FewRows, LeavesTheRestToTheLibrary) {
  const auto a = random_normal({4, kDepth}, 1).to(at::kFloat),
             weight = random_normal({kColumns, kDepth}, 2).to(at::kFloat);
  EXPECT_FALSE(suits_few_rows(a, weight.t().contiguous())) << "columns that are not rows of a weight";
  EXPECT_FALSE(suits_few_rows(a.repeat({2, 1}), weight.t())) << "many rows";
  EXPECT_FALSE(suits_few_rows(a.narrow(1, 0, 8), weight.narrow(1, 0, 8).t())) << "short sums";
  EXPECT_FALSE(suits_few_rows(a.to(at::kDouble), weight.to(at::kDouble).t())) << "fp64";
  EXPECT_FALSE(suits_few_rows(a.narrow(0, 0, 0), weight.t())) << "no rows";
}

}  // namespace
}  // namespace ingot::testing
