#include "optim/matrix/polar.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "device/numerics.h"
#include "optim/bench.h"
#include "optim/matrix/norms.h"
#include "optim/matrix/products.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

const at::Tensor& sample() {
  static const at::Tensor g = at::tensor({.1, -.2, .3, .4, .5, -.6}, at::kDouble).view({2, 3});
  return g;
}

PolarConfig config_of(PolarMethod method, bool gram = true) {
  PolarConfig config;
  config.method = method;
  config.gram = gram;
  return config;
}

/// Numbers of a program in plain Python.
TEST(Polar, OfASmallMatrixByAnIndependentProgram) {
  for (const bool gram : {false, true}) {
    const auto newton = polar_factor(sample(), config_of(PolarMethod::kNewtonSchulz, gram));
    EXPECT_LT(largest_difference(newton, {.5150209, -.2184708, .4213491, .4681560, .3823022, -.4213055}), 1e-6);
    auto express = config_of(PolarMethod::kPolarExpress, gram);
    express.eps = 1e-6;
    EXPECT_LT(largest_difference(polar_factor(sample(), express),
                                 {.7855833, -.3140057, .6160655, .6763637, .5311643, -.5793744}),
              1e-6);
  }
}

TEST(Polar, TheGramFormIsTheSameFunction) {
  for (const auto method : {PolarMethod::kNewtonSchulz, PolarMethod::kPolarExpress}) {
    for (const auto& shape : std::vector<std::vector<std::int64_t>>{{20, 70}, {70, 20}}) {
      const auto x = random_normal(shape, 1);
      const auto plain = polar_factor(x, config_of(method, false));
      EXPECT_LT(relative_error(polar_factor(x, config_of(method)), plain), 1e-11);
      auto single = config_of(method);
      single.precision = ProductPrecision::kFloat32;
      EXPECT_LT(relative_error(polar_factor(x.to(at::kFloat), single), plain), 1e-4);
    }
  }
}

TEST(Polar, ExactFactorsHaveOrthonormalRowsOrColumns) {
  const auto config = config_of(PolarMethod::kExact);
  const auto o = polar_factor(random_normal({5, 9}, 1), config);
  EXPECT_LT((o.mm(o.t()) - at::eye(5, at::kDouble)).abs().max().item<double>(), 1e-14);
  const auto tall = polar_factor(random_normal({9, 5}, 1), config);
  EXPECT_LT((tall.t().mm(tall) - at::eye(5, at::kDouble)).abs().max().item<double>(), 1e-14);
  // What has no direction stays 0.
  const auto one = random_normal({4, 1}, 2).mm(random_normal({1, 6}, 3));
  EXPECT_LT(relative_error(polar_factor(one, config), one / frobenius_norm(one)), 1e-13);
  EXPECT_EQ(polar_factor(at::zeros({3, 4}, at::kDouble), config).abs().max().item<double>(), 0);
}

TEST(Polar, IterationsBringSingularValuesIntoTheirRange) {
  const auto x = random_normal({30, 80}, 4);
  const auto range = [&](PolarMethod method) {
    const auto s = at::linalg_svdvals(polar_factor(x, config_of(method)));
    return std::pair{s.min().item<double>(), s.max().item<double>()};
  };
  const auto newton = range(PolarMethod::kNewtonSchulz), express = range(PolarMethod::kPolarExpress);
  EXPECT_TRUE(newton.first > 0.68 && newton.second < 1.21) << newton.first << " " << newton.second;
  EXPECT_TRUE(express.first > 0.85 && express.second < 1.15) << express.first << " " << express.second;
}

TEST(Polar, TransposesAndMultiplesGiveTheSameFactor) {
  for (const auto method : {PolarMethod::kNewtonSchulz, PolarMethod::kPolarExpress, PolarMethod::kExact}) {
    const auto x = random_normal({6, 11}, 5), o = polar_factor(x, config_of(method));
    EXPECT_LT(relative_error(polar_factor(x.t(), config_of(method)).t(), o), 1e-12);
    EXPECT_LT(relative_error(polar_factor(x * 1000, config_of(method)), o), 1e-6);  // ε counts for less
  }
}

TEST(Polar, ZeroStaysZero) {
  for (const auto method : {PolarMethod::kNewtonSchulz, PolarMethod::kPolarExpress}) {
    EXPECT_EQ(polar_factor(at::zeros({3, 9}), config_of(method)).abs().max().item<float>(), 0);
  }
}

TEST(Polar, NarrowProductsAreThoseOfDoubleUpToTheirRounding) {
  for (const auto method : {PolarMethod::kNewtonSchulz, PolarMethod::kPolarExpress}) {
    const auto x = random_normal({40, 90}, 6);
    auto config = config_of(method);
    const auto wide = polar_factor(x, config);
    config.precision = ProductPrecision::kBfloat16;
    const auto narrow = polar_factor(x.to(at::kFloat), config);
    EXPECT_EQ(narrow.scalar_type(), at::kFloat);
    EXPECT_LT(relative_error(narrow, wide), 0.02);
    EXPECT_GT(relative_error(narrow, wide), 1e-4);
    EXPECT_TRUE(same_bits(polar_factor(x, config), wide));  // fp64 stays fp64
  }
}

TEST(Polar, RowsAndTheNormMayBeEvenedOut) {
  auto x = random_normal({6, 20}, 7);
  x[2].mul_(1e-3);
  auto config = config_of(PolarMethod::kNewtonSchulz);
  const auto norms = [&] { return row_norms(polar_factor(x, config)); };
  EXPECT_LT(norms()[2].item<double>(), 0.5);
  config.equal_rows = true;
  EXPECT_GT(norms()[2].item<double>(), 0.6);
  config.exact_norm = true;
  EXPECT_NEAR(frobenius_norm(polar_factor(x, config)).item<double>(), std::sqrt(6.0), 1e-12);
}

TEST(Products, SymmetricOnesHaveEveryElement) {
  for (const std::int64_t size : {5, 383, 500}) {
    const auto x = random_normal({size, 40}, 8);
    const auto product = symmetric_product(x, x.t());
    EXPECT_LT(relative_error(product, x.mm(x.t())), 1e-14);
    EXPECT_LT(relative_error(product, product.t()), 1e-15) << size;
    EXPECT_LT(relative_error(symmetric_sum_product(product, product, product, 0.5, -2),
                             product * 0.5 - product.mm(product) * 2),
              1e-13);
  }
  const auto c = random_normal({4, 6}, 9), a = random_normal({4, 3}, 10), b = random_normal({3, 6}, 11);
  EXPECT_LT(relative_error(sum_product(c, a, b, 2, 3), c * 2 + a.mm(b) * 3), 1e-14);
}

TEST(Norms, AreThoseOfAllRowsAndColumns) {
  const auto x = random_normal({7, 11}, 12);
  EXPECT_NEAR(frobenius_norm(x).item<double>(), x.norm().item<double>(), 1e-14);
  EXPECT_LT(relative_error(row_norms(x).square().sum(), x.square().sum()), 1e-14);
  EXPECT_LT(relative_error(column_norms(x).square().sum(), x.square().sum()), 1e-14);
  EXPECT_NEAR(mean_of_all(x).item<double>(), x.mean().item<double>(), 1e-15);
}

}  // namespace
}  // namespace ingot::testing
