#include "objective/objective.h"

#include <gtest/gtest.h>

#include "objective/sample_batch.h"

namespace ingot::testing {
namespace {

TEST(Objective, LossesOfTokens) {
  const HeadBatch batch(at::kFloat);
  const auto losses = token_losses(batch.hidden, batch.head, batch.targets);
  EXPECT_EQ(losses.sizes(), batch.targets.sizes());
  EXPECT_FALSE(losses.requires_grad());
  EXPECT_TRUE((losses.eq(0) == batch.targets.lt(0)).all().item<bool>());
  const auto sums = default_objective("cross_entropy")->forward(batch.hidden, batch.head, batch.targets);
  EXPECT_TRUE(close(losses.sum(), sums.loss.to(at::kDouble), Tolerance::of(at::kFloat).reduction(8)));
}

TEST(Objective, LogitsLeaveOutPadding) {
  HeadBatch batch(at::kBFloat16);
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
