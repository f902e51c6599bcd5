#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "params/masters.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(RowNorms, IsTheMapOfWeightNormWithAVectorAndAMatrix) {
  const at::Tensor w = random_normal({6, 4}, 1), upstream = random_normal({6, 4}, 2);
  Parametrized rows("row_norms", w), other("weight_norm", w);
  ASSERT_EQ(rows.specs.size(), 2u);
  EXPECT_EQ(rows.specs[0].suffix, ".norms");
  EXPECT_EQ(rows.specs[0].shape, (std::vector<std::int64_t>{6}));
  EXPECT_EQ(rows.specs[1].suffix, ".direction");
  EXPECT_EQ(rows.specs[1].shape, (std::vector<std::int64_t>{6, 4}));
  EXPECT_TRUE(rows.specs[0].decays);
  EXPECT_FALSE(rows.specs[1].decays);
  EXPECT_TRUE(close(rows.weight(), w, Tolerance::of(at::kDouble)));
  EXPECT_TRUE(same_bits(rows.weight(), other.weight()));
  const auto ours = rows.pull_back(upstream), theirs = other.pull_back(upstream);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_TRUE(same_bits(ours[i], theirs[i]));
}

/// Two updates by signs (Muon of a matrix with one row) as Muown makes them: u = W / γ, dγ = <dW, u>, dv = γ / |v| (dW
/// - u dγ).
TEST(RowNorms, FollowsMuown) {
  at::Tensor w = random_normal({1, 4}, 1), gamma = w.norm().view({1}), v = w.clone();
  Parametrized rows("row_norms", w);
  for (int step = 0; step < 2; ++step) {
    const at::Tensor upstream = random_normal({1, 4}, 5 + step), u = w / gamma, dgamma = (upstream * u).sum();
    const at::Tensor dv = (gamma / v.norm()) * (upstream - u * dgamma);
    const auto grads = rows.pull_back(upstream);
    EXPECT_TRUE(close(grads[0], dgamma.view({1}), Tolerance::of(at::kDouble).reduction(4).chain(4)));
    EXPECT_TRUE(close(grads[1], dv, Tolerance::of(at::kDouble).reduction(4).chain(4)));
    v = v - 0.1 * dv / dv.norm();
    gamma = gamma - 0.1 * dgamma.sign();
    w = gamma * v / v.norm();
    rows.masters[0].sub_(0.1 * grads[0].sign());
    rows.masters[1].sub_(0.1 * grads[1] / grads[1].norm());
    EXPECT_TRUE(close(rows.weight(), w, Tolerance::of(at::kDouble).reduction(4).chain(4)));
  }
}

}  // namespace
}  // namespace ingot::testing
