#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include "params/masters.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(WeightStandardization, IsTheFormulaOfTheAuthorsCode) {
  const at::Tensor w = random_normal({6, 4}, 1), upstream = random_normal({6, 4}, 2);
  const Parametrized p("weight_standardization", w);
  const at::Tensor centred = w - w.mean(1, true), std = (centred.square().sum(1, true) / 3).sqrt();
  EXPECT_TRUE(close(p.weight(), centred / (std + 1e-5), Tolerance::of(at::kDouble).reduction(4)));
  EXPECT_FALSE(p.p->can_assign());
}

/// With z = W and eps = 0: dw = (dW - mean(dW) - z <dW, z> / (n - 1)) / s.
TEST(WeightStandardization, GradientIsThatOfTheClosedForm) {
  const at::Tensor w = random_normal({6, 4}, 1), upstream = random_normal({6, 4}, 2);
  const Parametrized p("{type: weight_standardization, eps: 0}", w);
  const at::Tensor z = p.weight(), std = ((w - w.mean(1, true)).square().sum(1, true) / 3).sqrt();
  const at::Tensor expected = (upstream - upstream.mean(1, true) - z * (upstream * z).sum(1, true) / 3) / std;
  const at::Tensor grad = p.pull_back(upstream)[0];
  EXPECT_TRUE(close(grad, expected, Tolerance::of(at::kDouble).reduction(4).chain(6)));
  EXPECT_LT((grad * w).sum(1).abs().max().item<double>(), 1e-14);
}

TEST(WeightStandardization, ConstantRowsGiveZeros) {
  at::Tensor w = random_normal({6, 4}, 1);
  w[2].fill_(0.5);
  const Parametrized p("{type: weight_standardization, eps: 0}", w);
  EXPECT_TRUE(p.weight()[2].equal(at::zeros_like(w[2])));
  EXPECT_TRUE(p.pull_back(random_normal({6, 4}, 2))[0].isfinite().all().item<bool>());
}

}  // namespace
}  // namespace ingot::testing
