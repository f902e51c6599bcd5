#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/outer.h>
#include <gtest/gtest.h>

#include <cmath>

#include "params/one_matrix.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

/// The value and dW = 2 (σᵏ - 1) k σᵏ⁻¹ u vᵀ, with the decomposition.
void expect_formula(const std::string& settings, double exponent, double target) {
  OneMatrix model("{penalties: [{type: spectral_regularization, weight: 0.5" + settings + "}]}", {6, 4});
  const at::Tensor w = random_normal({6, 4}, 1);
  model.value().copy_(w);
  for (int i = 0; i < 100; ++i) model.store.advance();
  const auto [u, s, vh] = at::linalg_svd(w, false);
  const double sigma = s[0].item<double>() / target, off = std::pow(sigma, exponent) - 1;
  EXPECT_NEAR(model.penalise(10), 0.5 * off * off, 1e-11 * off * off);
  const at::Tensor expected =
      10 * 0.5 * 2 * off * exponent * std::pow(sigma, exponent - 1) / target * at::outer(u.select(1, 0), vh[0]);
  EXPECT_TRUE(close(model.grad(), expected, Tolerance::of(at::kDouble).reduction(24).chain(8)));
}

TEST(SpectralRegularization, IsTheFormula) {
  expect_formula("", 2, 1);
  expect_formula(", exponent: 3", 3, 1);
  expect_formula(", exponent: 1, target: shape", 1, std::sqrt(6.0 / 4));
}

TEST(SpectralRegularization, StartsNearTheLargestSingularValueAndMovesOneIterationAStep) {
  OneMatrix model("{penalties: [{type: spectral_regularization, weight: 1}]}", {6, 4});
  const auto states = model.store.constraint_state();
  ASSERT_EQ(states.size(), 2u);
  EXPECT_EQ(states[0].name, "weight@spectral_regularization.u");
  const at::Tensor u = states[0].tensor, started = u.clone();
  EXPECT_NEAR(u.norm().item<double>(), 1, 1e-14);
  model.value().copy_(random_normal({6, 4}, 1));
  model.penalise();
  EXPECT_TRUE(same_bits(u, started));
  model.store.advance();
  EXPECT_FALSE(same_bits(u, started));
}

}  // namespace
}  // namespace ingot::testing
