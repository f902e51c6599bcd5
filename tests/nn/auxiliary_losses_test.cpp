#include "nn/auxiliary_losses.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones_like.h>
#include <gtest/gtest.h>

#include "nn/context.h"
#include "ops/recompute/recompute.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

constexpr double kWeight = 0.25;
const LossTerm kSecond{1};

/// A layer y = x³ that adds the loss 1/4 Σ x⁴.
at::Tensor layer(const SequenceContext& context, const at::Tensor& x) {
  return context.add_loss(x.pow(3), kSecond, kWeight, x.pow(4).sum());
}

SequenceContext training(const std::shared_ptr<AuxiliaryLosses>& losses) {
  SequenceContext context;
  context.pass.training = context.is_batch = true;
  context.losses = losses;
  return context;
}

TEST(AuxiliaryLosses, TheGradientJoinsThatOfTheMainLossOnceHoweverOftenAPartRuns) {
  const auto losses = std::make_shared<AuxiliaryLosses>(2, at::kCPU);
  const auto context = training(losses);
  const at::Tensor x = random_normal({2, 3}, 1).requires_grad_(), dy = random_normal({2, 3}, 2);
  const at::Tensor expected = (3 * x.square() * dy + kWeight * 4 * x.pow(3)).detach();
  const double value = kWeight * x.detach().pow(4).sum().item<double>();
  for (const bool recompute : {false, true}) {
    x.mutable_grad().reset();
    losses->clear();
    const auto piece = [&](const std::vector<at::Tensor>& in) { return layer(context, in[0]); };
    const at::Tensor y = recompute ? ops::recomputed(piece, {x}) : layer(context, x);
    EXPECT_TRUE(same_bits(y.detach(), x.detach().pow(3)));
    (y * dy).sum().backward();
    EXPECT_TRUE(close(x.grad(), expected, Tolerance::of(at::kDouble))) << recompute;
    EXPECT_EQ(losses->sums()[0].item<double>(), 0);
    EXPECT_NEAR(losses->sums()[1].item<double>(), value, 1e-13) << recompute;
  }
}

TEST(AuxiliaryLosses, AMeanCountsAsOftenAsTheMicroBatchHasTargets) {
  const auto losses = std::make_shared<AuxiliaryLosses>(2, at::kCPU);
  const auto context = training(losses);
  const at::Tensor x = random_normal({4}, 1).requires_grad_();
  losses->begin_batch(7);
  context.add_mean_loss(x * 1, kSecond, kWeight, x.mean()).sum().backward();
  EXPECT_TRUE(close(x.grad(), at::ones_like(x) * (1 + 7 * kWeight / 4), Tolerance::of(at::kDouble)));
  EXPECT_NEAR(losses->sums()[1].item<double>(), 7 * kWeight * x.mean().item<double>(), 1e-14);
}

TEST(AuxiliaryLosses, AreNoneWithoutATakerAndNotCountedOutsideOfTheBatch) {
  const at::Tensor x = random_normal({4}, 1).requires_grad_();
  const SequenceContext outside;
  outside.add_loss(x * 1, kSecond, 1, x.sum()).sum().backward();
  EXPECT_TRUE(same_bits(x.grad(), at::ones_like(x)));
  const auto losses = std::make_shared<AuxiliaryLosses>(2, at::kCPU);
  auto context = training(losses);
  context.is_batch = false;
  context.add_loss(x, kSecond, 1, x.sum());
  EXPECT_EQ(losses->sums()[1].item<double>(), 0);
  EXPECT_THROW(context.add_loss(x, kSecond, 1, x), std::logic_error) << "no scalar";
}

}  // namespace
}  // namespace ingot::testing
