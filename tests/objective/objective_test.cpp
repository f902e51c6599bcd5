#include "objective/objective.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "support/gradcheck.h"
#include "support/tolerance.h"
#include "support/weights.h"

namespace ingot::testing {
namespace {

constexpr std::int64_t kVocab = 21, kPadded = 32, kWidth = 12;

/// A head in a store, and a batch of 2 rows of 4 tokens.
struct Batch {
  explicit Batch(at::ScalarType compute, at::ScalarType master = at::kFloat) {
    ParamSpec spec;
    spec.name = "head.weight";
    spec.shape = {kPadded, kWidth};
    spec.roles = Role::kHead;
    spec.fixed_init = normal_init(1);
    spec.fixed_init_name = "normal(0, 1)";
    const ParamScope root(store);
    const auto param = root.declare(spec);
    make_weights(store, store_options(compute, master));
    head = {root.leaf_of(param), kVocab, false};
    hidden = random_normal({2, 4, kWidth}, 3, compute).requires_grad_();
    targets = at::tensor({3, 20, -1, 0, 7, -1, 11, 3}, at::kLong).view({2, 4});
  }

  /// Weight without padding in fp64.
  at::Tensor weight() const { return head.weight.weight().detach().narrow(0, 0, kVocab).to(at::kDouble); }

  ParameterStore store;
  HeadWeights head;
  at::Tensor hidden, targets;
};

TEST(Objective, SumsOverTargetTokens) {
  const Batch batch(at::kDouble, at::kDouble);
  const auto sums = cross_entropy(batch.hidden, batch.head, batch.targets, 0.1);
  const auto z = batch.hidden.detach().matmul(batch.weight().t()).view({8, kVocab});
  const auto expected = at::cross_entropy_loss(z, batch.targets.view({8}), {}, /*reduction: sum*/ 2, /*ignore*/ -1);
  const auto lse = at::logsumexp(z, 1) * batch.targets.view({8}).ge(0);
  const auto tolerance = Tolerance::of(at::kDouble).reduction(kWidth);
  EXPECT_TRUE(close(sums.cross_entropy, expected, tolerance));
  EXPECT_TRUE(close(sums.z_loss, 0.1 * lse.square().sum(), tolerance));
  EXPECT_TRUE(close(sums.total.detach(), expected + 0.1 * lse.square().sum(), tolerance));
  EXPECT_FALSE(sums.cross_entropy.requires_grad());
}

TEST(Objective, GradientsReachTheMasters) {
  Batch batch(at::kDouble, at::kDouble);
  for (const bool normalise_rows : {false, true}) {
    batch.head.normalise_rows = normalise_rows;
    const auto f = [&](const std::vector<at::Tensor>& inputs) {
      return std::vector<at::Tensor>{cross_entropy(inputs[0], batch.head, batch.targets, 0.1).total};
    };
    EXPECT_TRUE(gradcheck(f, {batch.hidden}, checked_parameters(batch.store)));
  }
}

TEST(Objective, LowPrecisionWeightsHaveWideGradients) {
  Batch batch(at::kBFloat16);
  batch.store.zero_grads();
  cross_entropy(batch.hidden, batch.head, batch.targets, 0).total.backward();
  batch.store.pull_back();
  const auto& grad = master_of(batch.store, "head.weight").grad;
  EXPECT_EQ(grad.scalar_type(), at::kFloat);
  EXPECT_GT(grad.narrow(0, 0, kVocab).abs().max().item<float>(), 0);
  EXPECT_EQ(grad.narrow(0, kVocab, kPadded - kVocab).abs().max().item<float>(), 0);
}

TEST(Objective, MicroBatchesAddUp) {
  Batch batch(at::kFloat);
  batch.store.zero_grads();
  cross_entropy(batch.hidden, batch.head, batch.targets, 0.1).total.backward();
  const auto& grad = master_of(batch.store, "head.weight").grad;
  const auto whole = grad.clone();
  batch.store.zero_grads();
  for (int i = 0; i < 2; ++i) {
    cross_entropy(batch.hidden.narrow(0, i, 1), batch.head, batch.targets.narrow(0, i, 1), 0.1).total.backward();
  }
  EXPECT_TRUE(close(grad, whole.to(at::kDouble), Tolerance::of(at::kFloat).reduction(8)));
}

TEST(Objective, LossesOfTokens) {
  const Batch batch(at::kFloat);
  const auto losses = token_losses(batch.hidden, batch.head, batch.targets);
  EXPECT_EQ(losses.sizes(), batch.targets.sizes());
  EXPECT_FALSE(losses.requires_grad());
  EXPECT_TRUE((losses.eq(0) == batch.targets.lt(0)).all().item<bool>());
  const auto sums = cross_entropy(batch.hidden, batch.head, batch.targets, 0);
  EXPECT_TRUE(close(losses.sum(), sums.cross_entropy.to(at::kDouble), Tolerance::of(at::kFloat).reduction(8)));
}

TEST(Objective, LogitsLeaveOutPadding) {
  Batch batch(at::kBFloat16);
  batch.head.normalise_rows = true;
  const auto z = logits(batch.hidden, batch.head);
  EXPECT_EQ(z.sizes(), at::IntArrayRef({2, 4, kVocab}));
  const auto weight = batch.weight();
  const auto expected =
      batch.hidden.detach().to(at::kDouble).matmul((weight / weight.square().sum(1, true).sqrt()).t());
  EXPECT_TRUE(close(z, expected, Tolerance::of(at::kFloat).reduction(kWidth)));
}

}  // namespace
}  // namespace ingot::testing
