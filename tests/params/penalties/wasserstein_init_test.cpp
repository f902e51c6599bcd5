#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "params/one_matrix.h"
#include "support/gradcheck.h"

namespace ingot::testing {
namespace {

TEST(WassersteinInit, LooksAtTheDistributionAlone) {
  OneMatrix model("{penalties: [{type: wasserstein_init, weight: 1}]}", {6, 4});
  const at::Tensor start = model.value().clone();
  model.value().copy_(start.t().reshape({6, 4}));
  EXPECT_EQ(model.penalise(), 0);
  EXPECT_FALSE(model.value().equal(start));
  // A shift is the same distance for every rank.
  model.value().add_(0.5);
  EXPECT_NEAR(model.penalise(10), 24 * 0.25, 1e-12);
  EXPECT_LT((model.grad() - 10).abs().max().item<double>(), 1e-12);
}

/// By the rearrangement inequality.
TEST(WassersteinInit, IsAtMostTheDistanceOfTheWeights) {
  OneMatrix ranks("{penalties: [{type: wasserstein_init, weight: 1}]}", {6, 4}),
      values("{penalties: [{type: l2_init, weight: 1}]}", {6, 4});
  for (auto* model : {&ranks, &values}) model->value().add_(random_normal({6, 4}, 3), 0.05);
  EXPECT_LT(ranks.penalise(), values.penalise());
  EXPECT_GT(ranks.penalise(), 0);
}

}  // namespace
}  // namespace ingot::testing
