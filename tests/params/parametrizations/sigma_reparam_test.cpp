#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/outer.h>
#include <gtest/gtest.h>

#include "params/masters.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

const Tolerance kSigmaTolerance = Tolerance::of(at::kDouble).reduction(24).chain(6);

TEST(SigmaReparam, StartsWithTheWeightOrWithOne) {
  const at::Tensor w = random_normal({6, 4}, 1);
  const double sigma = at::linalg_svdvals(w)[0].item<double>();
  const Parametrized same("sigma_reparam", w);
  EXPECT_TRUE(close(same.weight(), w, kSigmaTolerance));
  EXPECT_NEAR(same.masters[1].item<double>(), sigma, 1e-2 * sigma);
  EXPECT_TRUE(same.p->can_assign());
  Parametrized one("{type: sigma_reparam, start: one}", w);
  one.advance(100);
  EXPECT_TRUE(close(one.weight(), w / sigma, kSigmaTolerance));
  EXPECT_FALSE(one.p->can_assign());
}

TEST(SigmaReparam, TheLargestSingularValueIsGamma) {
  Parametrized sigma("sigma_reparam", random_normal({6, 4}, 1));
  sigma.advance(100);
  sigma.masters[1].fill_(2.5);
  EXPECT_NEAR(at::linalg_svdvals(sigma.weight())[0].item<double>(), 2.5, 1e-12);
}

/// dγ = <dW, w> / σ and dw = (γ / σ) (dW - (<dW, w> / σ) u vᵀ), with the vectors of the decomposition.
TEST(SigmaReparam, GradientsAreThoseOfTheClosedForm) {
  const at::Tensor w = random_normal({6, 4}, 1), upstream = random_normal({6, 4}, 2);
  Parametrized sigma("sigma_reparam", w);
  sigma.advance(100);
  sigma.masters[1].fill_(2.5);
  const auto grads = sigma.pull_back(upstream);
  const auto [u, s, vh] = at::linalg_svd(w, false);
  const at::Tensor along = (upstream * w).sum() / s[0];
  EXPECT_TRUE(close(grads[1], along.view({1}), kSigmaTolerance));
  EXPECT_TRUE(close(grads[0], (2.5 / s[0]) * (upstream - along * at::outer(u.select(1, 0), vh[0])), kSigmaTolerance));
}

TEST(SigmaReparam, DecayActsOnGammaAlone) {
  const auto specs = parametrization("sigma_reparam")->masters(matrix_info(6, 4));
  ASSERT_EQ(specs.size(), 4u);
  EXPECT_FALSE(specs[0].decays);
  EXPECT_EQ(specs[1].suffix, ".gamma");
  EXPECT_TRUE(specs[1].decays);
  EXPECT_FALSE(specs[2].trained);
  EXPECT_FALSE(specs[3].trained);
}

}  // namespace
}  // namespace ingot::testing
