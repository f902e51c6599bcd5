#include "eval/generate.h"

#include <ATen/core/TensorBody.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

namespace ingot {
namespace {

/// Probabilities 0.5, 0.25, 0.125, 0.125 of tokens 2, 0, 1, 3.
at::Tensor some_logits() { return at::tensor(std::vector<double>{0.25, 0.125, 0.5, 0.125}).log().to(at::kFloat); }

TEST(ChooseToken, WalksTheSortedDistribution) {
  const GenerateOptions all;
  EXPECT_EQ(choose_token(some_logits(), all, 0.0), 2);
  EXPECT_EQ(choose_token(some_logits(), all, 0.49), 2);
  EXPECT_EQ(choose_token(some_logits(), all, 0.51), 0);
  EXPECT_EQ(choose_token(some_logits(), all, 0.80), 1);
  EXPECT_EQ(choose_token(some_logits(), all, 0.9999), 3);
}

TEST(ChooseToken, TemperatureZeroIsGreedyAndHighTemperatureIsFlat) {
  GenerateOptions options;
  options.temperature = 0;
  EXPECT_EQ(choose_token(some_logits(), options, 0.9999), 2);
  options.temperature = 1e6;
  EXPECT_EQ(choose_token(some_logits(), options, 0.26), 0);
  EXPECT_EQ(choose_token(some_logits(), options, 0.24), 2);
}

TEST(ChooseToken, TopKAndTopPCutTheTail) {
  GenerateOptions options;
  options.top_k = 2;
  EXPECT_EQ(choose_token(some_logits(), options, 0.66), 2);
  EXPECT_EQ(choose_token(some_logits(), options, 0.9999), 0);
  options.top_k = 0;
  options.top_p = 0.6;
  EXPECT_EQ(choose_token(some_logits(), options, 0.9999), 0);
  options.top_p = 0.1;
  EXPECT_EQ(choose_token(some_logits(), options, 0.9999), 2);
}

}  // namespace
}  // namespace ingot
