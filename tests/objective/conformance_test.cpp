// What every objective must do, with its default settings.

#include <ATen/ops/logsumexp.h>
#include <gtest/gtest.h>

#include "objective/sample_batch.h"

namespace ingot::testing {
namespace {

class Objectives : public ::testing::TestWithParam<std::string> {};

TEST_P(Objectives, SumOverTargetTokensWhatTheReferenceSays) {
  const HeadBatch batch(at::kDouble, at::kDouble);
  const auto& entry = objective_families().get<ObjectiveEntry>().at(GetParam());
  const auto z = batch.hidden.detach().matmul(batch.weight().t()).view({8, kVocab});
  const auto expected = entry.reference(*entry.defaults, z, batch.targets.view({8}));
  const auto squares = 0.1 * (at::logsumexp(z, 1) * batch.targets.view({8}).ge(0)).square().sum();
  const auto tolerance = Tolerance::of(at::kDouble).reduction(kWidth);
  for (const double z_loss : {0.0, 0.1}) {
    const auto objective = default_objective(GetParam(), z_loss);
    const auto sums = objective->forward(batch.hidden, batch.head, batch.targets);
    EXPECT_TRUE(close(sums.loss, expected, tolerance));
    EXPECT_FALSE(sums.loss.requires_grad());
    ASSERT_EQ(sums.terms.size(), objective->terms().size());
    if (z_loss == 0) {
      EXPECT_TRUE(close(sums.total.detach(), expected, tolerance));
      continue;
    }
    EXPECT_EQ(objective->terms().back(), "z_loss");
    EXPECT_TRUE(close(sums.terms.back(), squares, tolerance));
    EXPECT_TRUE(close(sums.total.detach(), expected + squares, tolerance));
  }
}

TEST_P(Objectives, GradientsReachTheMasters) {
  HeadBatch batch(at::kDouble, at::kDouble);
  const auto objective = default_objective(GetParam(), 0.1);
  for (const bool normalise_rows : {false, true}) {
    batch.head.normalise_rows = normalise_rows;
    const auto f = [&](const std::vector<at::Tensor>& inputs) {
      return std::vector<at::Tensor>{objective->forward(inputs[0], batch.head, batch.targets).total};
    };
    EXPECT_TRUE(gradcheck(f, {batch.hidden}, checked_parameters(batch.store)));
  }
}

TEST_P(Objectives, MicroBatchesAddUp) {
  HeadBatch batch(at::kFloat);
  const auto objective = default_objective(GetParam(), 0.1);
  batch.store.zero_grads();
  objective->forward(batch.hidden, batch.head, batch.targets).total.backward();
  const auto& grad = master_of(batch.store, "head.weight").grad;
  const auto whole = grad.clone();
  batch.store.zero_grads();
  for (int i = 0; i < 2; ++i) {
    objective->forward(batch.hidden.narrow(0, i, 1), batch.head, batch.targets.narrow(0, i, 1)).total.backward();
  }
  EXPECT_TRUE(close(grad, whole.to(at::kDouble), Tolerance::of(at::kFloat).reduction(8)));
}

INSTANTIATE_TEST_SUITE_P(All, Objectives, ::testing::ValuesIn(objective_families().at("objectives").names()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace ingot::testing
