#include <gtest/gtest.h>

#include "objective/sample_batch.h"

namespace ingot::testing {
namespace {

TEST(CrossEntropy, LowPrecisionWeightsHaveWideGradients) {
  HeadBatch batch(at::kBFloat16);
  batch.store.zero_grads();
  default_objective("cross_entropy")->forward(batch.hidden, batch.head, batch.targets).total.backward();
  batch.store.pull_back();
  const auto& grad = master_of(batch.store, "head.weight").grad;
  EXPECT_EQ(grad.scalar_type(), at::kFloat);
  EXPECT_GT(grad.narrow(0, 0, kVocab).abs().max().item<float>(), 0);
  EXPECT_EQ(grad.narrow(0, kVocab, kPadded - kVocab).abs().max().item<float>(), 0);
}

TEST(CrossEntropy, HasATermOnlyWithZLoss) {
  EXPECT_TRUE(default_objective("cross_entropy")->terms().empty());
  EXPECT_EQ(default_objective("cross_entropy", 1e-4)->terms(), std::vector<std::string>{"z_loss"});
}

}  // namespace
}  // namespace ingot::testing
