#include "support/tolerance.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>

#include "support/gradcheck.h"

namespace ingot::testing {
namespace {

at::Tensor values() { return random_normal({4, 8}, 1); }

TEST(Tolerance, AcceptsRoundingOfEachType) {
  const at::Tensor exact = values();
  for (const auto dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
    EXPECT_TRUE(close(exact.to(dtype), exact, Tolerance::of(dtype)));
  }
}

TEST(Tolerance, RejectsOneWrongElementAndNamesIt) {
  for (const auto dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
    const at::Tensor exact = values();
    at::Tensor wrong = exact.clone();
    wrong[2][5] += 40 * std::pow(2.0, dtype == at::kDouble ? -53 : dtype == at::kFloat ? -24 : -8);
    const auto result = close(wrong.to(dtype), exact, Tolerance::of(dtype));
    EXPECT_FALSE(result);
    EXPECT_NE(std::string(result.message()).find("[2, 5]"), std::string::npos) << result.message();
  }
}

TEST(Tolerance, SmallElementsCarryTheErrorOfTheScaleAndNoMore) {
  at::Tensor exact = values();
  exact[0][0] = 1e-9;
  at::Tensor actual = exact.clone();
  actual[0][0] = 1e-9 + 4 * 0x1p-24;
  EXPECT_TRUE(close(actual.to(at::kFloat), exact, Tolerance::of(at::kFloat)));
  actual[0][0] = 1e-9 + 40 * 0x1p-24;
  EXPECT_FALSE(close(actual.to(at::kFloat), exact, Tolerance::of(at::kFloat)));
}

TEST(Tolerance, CancellingTermsLoosenTheirOwnElementAlone) {
  at::Tensor exact = values();
  exact[0][0] = 1e-3;
  exact[0][1] = 1e-3;
  at::Tensor terms = exact.clone();
  terms[0][0] = 100;
  at::Tensor actual = exact.to(at::kFloat);
  const auto tolerance = Tolerance::of(at::kFloat);
  actual[0][0] += 400 * 0x1p-24;
  EXPECT_FALSE(close(actual, exact, tolerance));
  EXPECT_TRUE(close(actual, exact, tolerance, terms));
  actual[0][1] += 400 * 0x1p-24;
  EXPECT_FALSE(close(actual, exact, tolerance, terms));
  actual[0][1] = 1e-3;
  actual[0][0] += 800 * 0x1p-24;
  EXPECT_FALSE(close(actual, exact, tolerance, terms));
}

TEST(Tolerance, ZerosMustBeZero) {
  const at::Tensor zero = at::zeros({3}, at::kFloat);
  EXPECT_TRUE(close(zero, zero, Tolerance::of(at::kFloat)));
  EXPECT_FALSE(close(zero.add(1e-30), zero, Tolerance::of(at::kFloat)));
}

TEST(Tolerance, RejectsNonFinite) {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::nan("");
  const at::Tensor one = at::full({2}, 1.0, at::kDouble);
  const auto tolerance = Tolerance::of(at::kDouble);
  for (const double bad : {inf, -inf, nan}) {
    EXPECT_FALSE(close(at::full({2}, bad, at::kDouble), one, tolerance));
    EXPECT_FALSE(close(one, at::full({2}, bad, at::kDouble), tolerance));
  }
  EXPECT_FALSE(close(at::full({2}, nan, at::kDouble), at::full({2}, nan, at::kDouble), tolerance));
  EXPECT_FALSE(close(at::full({2}, inf, at::kDouble), at::full({2}, -inf, at::kDouble), tolerance));
  EXPECT_TRUE(close(at::full({2}, inf, at::kDouble), at::full({2}, inf, at::kDouble), tolerance));
}

TEST(Tolerance, RejectsShapeTypeAndUndefined) {
  const at::Tensor x = values();
  const auto tolerance = Tolerance::of(at::kDouble);
  EXPECT_FALSE(close(x.view({8, 4}), x, tolerance));
  EXPECT_FALSE(close(x.narrow(0, 0, 1), x, tolerance));  // no broadcasting
  EXPECT_FALSE(close(x.to(at::kFloat), x, tolerance));
  EXPECT_FALSE(close(x, x.to(at::kFloat), tolerance));
  EXPECT_FALSE(close(at::Tensor(), x, tolerance));
  EXPECT_FALSE(close(x, at::Tensor(), tolerance));
}

TEST(Tolerance, ReductionCoversProductsAndLittleMore) {
  for (const std::int64_t k : {16, 256, 4096}) {
    const at::Tensor a = random_normal({32, k}, 2), b = random_normal({k, 32}, 3);
    const at::Tensor exact = at::mm(a.to(at::kFloat).to(at::kDouble), b.to(at::kFloat).to(at::kDouble));
    const at::Tensor actual = at::mm(a.to(at::kFloat), b.to(at::kFloat));
    const auto tolerance = Tolerance::of(at::kFloat).reduction(k);
    EXPECT_TRUE(close(actual, exact, tolerance)) << k;
    at::Tensor wrong = actual.clone();
    wrong[1][1] +=
        2 * tolerance.relative * std::sqrt(static_cast<double>(k)) + 2 * tolerance.relative * wrong[1][1].abs();
    EXPECT_FALSE(close(wrong, exact, tolerance)) << k;
  }
  EXPECT_EQ(Tolerance::of(at::kFloat).chain(3).relative, 3 * Tolerance::of(at::kFloat).relative);
  // bf16 products are summed in fp32: only the last rounding is coarse.
  EXPECT_LT(Tolerance::of(at::kBFloat16).reduction(4096).relative, 1.01 * Tolerance::of(at::kBFloat16).relative);
}

TEST(SameBits, SeesEveryBit) {
  const at::Tensor x = values();
  EXPECT_TRUE(same_bits(x, x.clone()));
  EXPECT_TRUE(same_bits(x.t(), x.t().contiguous()));
  at::Tensor y = x.clone();
  y[3][7] = std::nextafter(y[3][7].item<double>(), 100.0);
  const auto result = same_bits(y, x);
  EXPECT_FALSE(result);
  EXPECT_NE(std::string(result.message()).find("1 of 32 elements differ, first [3, 7]"), std::string::npos);
  EXPECT_FALSE(same_bits(at::zeros({1}), at::zeros({1}).neg()));
  EXPECT_FALSE(same_bits(x, x.to(at::kFloat)));
  EXPECT_FALSE(same_bits(x, x.t()));
}

TEST(RelativeError, IsTheRatioOfNorms) {
  const at::Tensor x = values();
  EXPECT_NEAR(relative_error(x.mul(1.5), x), 0.5, 1e-15);
  EXPECT_TRUE(std::isnan(relative_error(x.mul(std::nan("")), x)));
}

}  // namespace
}  // namespace ingot::testing
