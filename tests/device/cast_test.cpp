#include "device/cast.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "support/tolerance.h"

namespace ingot::testing {
namespace {

/// Every pattern of the upper half of a float, the lower half around the middle between two bf16 values.
at::Tensor patterns() {
  const at::Tensor upper = at::arange(1 << 16, at::kLong).mul(1 << 16).unsqueeze(1);
  const at::Tensor lower = at::arange(0x7ffe, 0x8003, at::kLong);
  return (upper + lower).to(at::kInt).view(at::kFloat);
}

TEST(CastInto, RoundsAsLibTorchDoes) {
  for (const at::Tensor& x : {patterns(), patterns().t(), patterns().to(at::kDouble)}) {
    const at::Tensor to = at::zeros(x.sizes(), at::kBFloat16), expected = x.to(at::kBFloat16).contiguous();
    cast_into(to, x);
    const at::Tensor number = x.eq(x);  // not NaN, whose payload is free
    EXPECT_TRUE(same_bits(to.masked_select(number), expected.masked_select(number)));
    EXPECT_TRUE(to.masked_select(~number).isnan().all().item<bool>());
  }
}

TEST(CastInto, WritesIntoParts) {
  const at::Tensor whole = at::zeros({100}, at::kBFloat16);
  cast_into(whole.narrow(0, 30, 20), random_normal({20}, 1, at::kFloat));
  EXPECT_EQ(whole.ne(0).sum().item<std::int64_t>(), 20);
  EXPECT_TRUE(whole.narrow(0, 30, 20).ne(0).all().item<bool>());
}

}  // namespace
}  // namespace ingot::testing
