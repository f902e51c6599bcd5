#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "support/gradcheck.h"
#include "support/tolerance.h"
#include "support/weights.h"

namespace ingot::testing {
namespace {

std::unique_ptr<Parametrization> make(const std::string& settings = "") {
  const auto config = weights_config("parametrization: {type: weight_norm" + settings + "}");
  return config.parametrization.entry().make(config.parametrization.settings());
}

ParamInfo matrix(Role role = Role::kReadsStream) {
  ParamInfo info;
  info.shape = {5, 3};
  info.roles = role;
  return info;
}

std::vector<at::Tensor> random_masters(const Parametrization& p) {
  std::vector<at::Tensor> masters;
  for (const auto& spec : p.masters(matrix())) masters.push_back(random_normal(spec.shape, 1 + masters.size()));
  return masters;
}

/// The paper's formula, for autograd.
at::Tensor formula(const at::Tensor& g, const at::Tensor& v) {
  const bool per_row = g.size(0) > 1;
  const at::Tensor norm = per_row ? v.square().sum(1, true).sqrt() : v.square().sum().sqrt();
  return g.unsqueeze(1) * v / norm;
}

TEST(WeightNorm, ValueAndGradientEqualAutogradOfTheFormula) {
  for (const char* settings : {"", ", per: matrix"}) {
    const auto p = make(settings);
    const auto masters = random_masters(*p);
    const at::Tensor g = masters[0].clone().requires_grad_(), v = masters[1].clone().requires_grad_();
    const at::Tensor expected = formula(g, v), upstream = random_normal({5, 3}, 9);
    (expected * upstream).sum().backward();

    at::Tensor weight = at::zeros({5, 3}, at::kDouble);
    p->materialise(masters, weight);
    std::vector<at::Tensor> grads = {at::zeros(g.sizes(), at::kDouble), at::zeros({5, 3}, at::kDouble)};
    p->pull_back(masters, upstream, grads);
    const auto tolerance = Tolerance::of(at::kDouble).reduction(15).chain(2);
    EXPECT_TRUE(close(weight, expected, tolerance));
    EXPECT_TRUE(close(grads[0], g.grad(), tolerance));
    EXPECT_TRUE(close(grads[1], v.grad(), tolerance));
  }
}

TEST(WeightNorm, GradientIsOrthogonalToTheDirection) {
  const auto p = make();
  const auto masters = random_masters(*p);
  std::vector<at::Tensor> grads = {at::zeros({5}, at::kDouble), at::zeros({5, 3}, at::kDouble)};
  p->pull_back(masters, random_normal({5, 3}, 9), grads);
  EXPECT_LT((grads[1] * masters[1]).sum(1).abs().max().item<double>(), 1e-14);
}

TEST(WeightNorm, ScaleOfVDoesNotMatter) {
  const auto p = make();
  auto masters = random_masters(*p);
  at::Tensor a = at::zeros({5, 3}, at::kDouble), b = at::zeros({5, 3}, at::kDouble);
  p->materialise(masters, a);
  masters[1].mul_(10);
  p->materialise(masters, b);
  EXPECT_TRUE(close(b, a, Tolerance::of(at::kDouble)));
}

TEST(WeightNorm, StartsWithTheNormsAsLengths) {
  const auto p = make();
  auto masters = random_masters(*p);
  const at::Tensor weight = random_normal({5, 3}, 4);
  p->assign(weight, masters);
  EXPECT_TRUE(close(masters[0], weight.square().sum(1).sqrt(), Tolerance::of(at::kDouble)));
  EXPECT_TRUE(same_bits(masters[1], weight));
}

TEST(WeightNorm, ZeroRowsStayFinite) {
  const auto p = make();
  auto masters = random_masters(*p);
  masters[1].zero_();
  at::Tensor weight = random_normal({5, 3}, 4);
  p->materialise(masters, weight);
  EXPECT_TRUE(weight.equal(at::zeros({5, 3}, at::kDouble)));
  std::vector<at::Tensor> grads = {at::zeros({5}, at::kDouble), at::zeros({5, 3}, at::kDouble)};
  p->pull_back(masters, random_normal({5, 3}, 9), grads);
  EXPECT_TRUE(grads[0].isfinite().all().item<bool>());
  EXPECT_TRUE(grads[1].isfinite().all().item<bool>());
}

TEST(WeightNorm, DecayActsOnTheLengthOnly) {
  const auto specs = make()->masters(matrix());
  EXPECT_EQ(specs[0].suffix, ".g");
  EXPECT_TRUE(specs[0].decays);
  EXPECT_EQ(specs[1].suffix, ".v");
  EXPECT_FALSE(specs[1].decays);
}

TEST(WeightNorm, AppliesToMatricesAndToEmbeddingsIfAsked) {
  EXPECT_TRUE(make()->applies(matrix(Role::kInner)));
  EXPECT_FALSE(make()->applies(matrix(Role::kConv)));
  EXPECT_FALSE(make()->applies(matrix(Role::kEmbedding)));
  EXPECT_TRUE(make(", embeddings: true")->applies(matrix(Role::kEmbedding)));
  EXPECT_EQ(make()->granularity(matrix()), Granularity::kRow);
  EXPECT_EQ(make(", per: matrix")->granularity(matrix()), Granularity::kMatrix);
}

}  // namespace
}  // namespace ingot::testing
