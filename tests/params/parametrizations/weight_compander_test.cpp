#include <ATen/TensorOperators.h>
#include <ATen/ops/arctan.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <utility>

#include "params/masters.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

const Tolerance kCompanderTolerance = Tolerance::of(at::kDouble).chain(8);

TEST(WeightCompander, StartsWithTheWeightBelowTheBound) {
  const at::Tensor w = random_normal({6, 4}, 1);
  const double largest = w.abs().max().item<double>();
  for (const auto& [shape, limit] : {std::pair{"arctan", std::numbers::pi / 2}, {"tanh", 1.0}, {"softsign", 1.0}}) {
    SCOPED_TRACE(shape);
    Parametrized p(std::string("{type: weight_compander, range: 1.5, shape: ") + shape + "}", w);
    EXPECT_TRUE(close(p.weight(), w, kCompanderTolerance));
    EXPECT_NEAR(p.masters[1].exp().item<double>() * limit, 1.5 * largest, 1e-12);
    p.masters[0].mul_(1e6);
    EXPECT_NEAR(p.weight().abs().max().item<double>(), 1.5 * largest, 1e-4 * largest);
  }
}

TEST(WeightCompander, IsTheFormulaAndItsSlopeAtZeroIsAOverB) {
  Parametrized p("weight_compander", random_normal({6, 4}, 1));
  p.masters[1].fill_(0.7);
  p.masters[2].fill_(-0.4);
  const at::Tensor expected = std::exp(0.7) * at::arctan(p.masters[0] / std::exp(-0.4));
  EXPECT_TRUE(close(p.weight(), expected, kCompanderTolerance));
  p.masters[0].zero_();
  const at::Tensor upstream = random_normal({6, 4}, 2);
  EXPECT_TRUE(close(p.pull_back(upstream)[0], std::exp(1.1) * upstream, kCompanderTolerance));
}

TEST(WeightCompander, FactorsAreLearnedIfAskedAndNeverDecay) {
  for (const bool learn : {true, false}) {
    const auto specs = parametrization(learn ? "weight_compander" : "{type: weight_compander, learn: false}")
                           ->masters(matrix_info(6, 4));
    EXPECT_TRUE(specs[0].decays);
    for (const std::size_t i : {1u, 2u}) {
      EXPECT_EQ(specs[i].trained, learn);
      EXPECT_FALSE(specs[i].decays);
    }
  }
}

}  // namespace
}  // namespace ingot::testing
