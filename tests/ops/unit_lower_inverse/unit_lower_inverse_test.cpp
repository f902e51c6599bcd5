#include "ops/unit_lower_inverse/unit_lower_inverse.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(UnitLowerInverse, TimesTheMatrixIsTheIdentity) {
  for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
    for (const std::int64_t size : {1, 3, 16, 33, 64}) {
      // Small enough for a tame inverse. What lies on and above the diagonal must not matter.
      const at::Tensor a = (random_normal({2, 3, size, size}, 1) * (0.5 / std::sqrt(size))).to(type);
      const at::Tensor unit = at::eye(size, a.options());
      const at::Tensor inverse = ops::unit_lower_inverse(a);
      EXPECT_TRUE(same_bits(inverse.triu(1), (0 * inverse).triu(1))) << size;
      const at::Tensor product = at::matmul(inverse.to(at::kDouble), (unit + a.tril(-1)).to(at::kDouble));
      EXPECT_TRUE(close(product.to(type), unit.to(at::kDouble).expand_as(product),
                        Tolerance::of(type).reduction(size).chain(8)))
          << type << size;
    }
  }
}

/// Equal keys with beta 1: all entries of A are one, and powers of A reach 1e18.
TEST(UnitLowerInverse, IsExactWhereASeriesExplodes) {
  const at::Tensor inverse = ops::unit_lower_inverse(at::full({1, 64, 64}, 1.0, at::kFloat));
  const at::Tensor unit = at::eye(64, inverse.options());
  EXPECT_TRUE(same_bits(inverse[0], unit - (at::full({64, 64}, 1.0, at::kFloat).triu(-1).tril(-1))));
}

TEST(UnitLowerInverse, GradientMatchesDifferences) {
  EXPECT_TRUE(
      gradcheck([](const std::vector<at::Tensor>& x) { return std::vector<at::Tensor>{ops::unit_lower_inverse(x[0])}; },
                {random_normal({2, 18, 18}, 2) * 0.3}));
}

}  // namespace
}  // namespace ingot::testing
