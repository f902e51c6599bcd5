#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "support/gradcheck.h"
#include "support/tolerance.h"
#include "support/weights.h"

namespace ingot::testing {
namespace {

std::unique_ptr<Parametrization> make_spectral(const std::string& settings = "") {
  const auto config = weights_config("parametrization: {type: spectral_norm" + settings + "}");
  return config.parametrization.entry().make(config.parametrization.settings());
}

ParamInfo six_by_four(Role role = Role::kReadsStream) {
  ParamInfo info;
  info.shape = {6, 4};
  info.roles = role;
  return info;
}

/// Masters that start from w, after so many steps in which w stays.
std::vector<at::Tensor> masters_of(const Parametrization& p, const at::Tensor& w, int steps) {
  std::vector<at::Tensor> masters;
  for (const auto& spec : p.masters(six_by_four())) masters.push_back(at::zeros(spec.shape, at::kDouble));
  p.assign(w, masters);
  for (int i = 0; i < steps; ++i) p.advance(masters);
  return masters;
}

at::Tensor weight_of(const Parametrization& p, const std::vector<at::Tensor>& masters) {
  at::Tensor weight = at::empty({6, 4}, at::kDouble);
  p.materialise(masters, weight);
  return weight;
}

TEST(SpectralNorm, DividesByTheLargestSingularValue) {
  const auto p = make_spectral();
  const at::Tensor w = random_normal({6, 4}, 1);
  const auto masters = masters_of(*p, w, 100);
  const at::Tensor sigma = at::linalg_svdvals(w)[0];
  EXPECT_TRUE(close(weight_of(*p, masters), w / sigma, Tolerance::of(at::kDouble).reduction(24).chain(4)));
  const auto [u, s, vh] = at::linalg_svd(w, false);
  EXPECT_NEAR(masters[1].dot(u.select(1, 0)).abs().item<double>(), 1, 1e-12);
  EXPECT_NEAR(masters[2].dot(vh[0]).abs().item<double>(), 1, 1e-12);
}

/// The gradient in closed form, with the vectors of the decomposition: dw = (dW - <dW, W> u vᵀ) / σ.
TEST(SpectralNorm, GradientIsThatOfThePaper) {
  const auto p = make_spectral();
  const at::Tensor w = random_normal({6, 4}, 1), upstream = random_normal({6, 4}, 2);
  const auto masters = masters_of(*p, w, 100);
  std::vector<at::Tensor> grads = {at::empty({6, 4}, at::kDouble), {}, {}};
  p->pull_back(masters, upstream, grads);
  const auto [u, s, vh] = at::linalg_svd(w, false);
  const at::Tensor along = at::outer(u.select(1, 0), vh[0]);
  const at::Tensor expected = (upstream - (upstream * w / s[0]).sum() * along) / s[0];
  EXPECT_TRUE(close(grads[0], expected, Tolerance::of(at::kDouble).reduction(24).chain(6)));
  // The scale of w does not matter: nothing of the gradient is along w.
  EXPECT_LT((grads[0] * w).sum().abs().item<double>(), 1e-13);
}

TEST(SpectralNorm, StartsNearTheDecompositionAndFollowsItOneIterationAStep) {
  const auto p = make_spectral(), fast = make_spectral(", iterations: 5");
  const at::Tensor w = random_normal({6, 4}, 3);
  const auto started = masters_of(*p, w, 0);
  EXPECT_NEAR(at::linalg_svdvals(weight_of(*p, started))[0].item<double>(), 1, 1e-2);
  auto by_one = masters_of(*p, w, 5), by_five = masters_of(*fast, w, 1);
  EXPECT_TRUE(same_bits(by_one[1], by_five[1]));
  EXPECT_FALSE(same_bits(started[1], by_one[1]));
}

TEST(SpectralNorm, ZeroMatricesStayFinite) {
  const auto p = make_spectral();
  const auto masters = masters_of(*p, at::zeros({6, 4}, at::kDouble), 1);
  EXPECT_TRUE(weight_of(*p, masters).equal(at::zeros({6, 4}, at::kDouble)));
  std::vector<at::Tensor> grads = {at::empty({6, 4}, at::kDouble), {}, {}};
  p->pull_back(masters, random_normal({6, 4}, 2), grads);
  EXPECT_TRUE(grads[0].isfinite().all().item<bool>());
}

TEST(SpectralNorm, AppliesToMatricesAndToEmbeddingsIfAsked) {
  EXPECT_TRUE(make_spectral()->applies(six_by_four(Role::kInner)));
  EXPECT_FALSE(make_spectral()->applies(six_by_four(Role::kConv)));
  EXPECT_FALSE(make_spectral()->applies(six_by_four(Role::kHead)));
  EXPECT_TRUE(make_spectral(", embeddings: true")->applies(six_by_four(Role::kHead)));
  EXPECT_FALSE(make_spectral()->can_assign());
}

}  // namespace
}  // namespace ingot::testing
