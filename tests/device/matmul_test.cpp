
#include "device/matmul.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

constexpr std::int64_t kM = 19, kN = 23, kK = 65;

at::ScalarType result_type(at::ScalarType dtype) { return dtype == at::kDouble ? at::kDouble : at::kFloat; }

TEST(WideMatmul, AllLayouts) {
  for (const auto dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
    SCOPED_TRACE(dtype);
    const auto a = random_normal({kM, kK}, 1).to(dtype), b = random_normal({kK, kN}, 2).to(dtype);
    const auto expected = at::mm(a.to(at::kDouble), b.to(at::kDouble));
    const at::Tensor lefts[] = {a, a.t().contiguous().t(), random_normal({kM, kK + 3}, 3).to(dtype).narrow(1, 2, kK)};
    const at::Tensor rights[] = {b, b.t().contiguous().t(),
                                 random_normal({kK, 2 * kN}, 4).to(dtype).slice(1, 0, 2 * kN, 2)};
    at::Tensor(lefts[2]).copy_(a);
    at::Tensor(rights[2]).copy_(b);
    for (const auto& left : lefts) {
      for (const auto& right : rights) {
        const auto buffer = at::ones({kM, kN + 7}, at::TensorOptions(result_type(dtype)));
        const auto c = buffer.narrow(1, 0, kN);
        const auto tolerance = Tolerance::of(result_type(dtype)).reduction(kK);
        wide_matmul(c, left, right, false);
        EXPECT_TRUE(close(c.contiguous(), expected, tolerance));
        wide_matmul(c, left, right, true);
        EXPECT_TRUE(close(c.contiguous(), 2 * expected, tolerance.chain(2)));
        EXPECT_EQ(buffer.narrow(1, kN, 7).sum().item<double>(), kM * 7);
      }
    }
  }
}

TEST(WideMatmul, EmptySum) {
  const auto a = at::ones({2, 0}, at::kBFloat16), b = at::ones({0, 3}, at::kBFloat16);
  const auto c = at::ones({2, 3});
  wide_matmul(c, a, b, true);
  EXPECT_EQ(c.sum().item<float>(), 6);
  wide_matmul(c, a, b, false);
  EXPECT_EQ(c.sum().item<float>(), 0);
}

}  // namespace
}  // namespace ingot::testing
