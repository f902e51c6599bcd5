#include "train/sampled_labels.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/bincount.h>
#include <ATen/ops/full.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <numeric>

#include "objective/objective.h"
#include "support/tolerance.h"
#include "train/families.h"
#include "train/samples.h"
#include "train/step.h"

namespace ingot {
namespace {

using namespace testing;

constexpr std::int64_t kVocab = 11;

TrainSetup setup_of(const Families& families, const std::string& optimizer) {
  auto setup = allocated_setup(tiny_config(families, {"optim.optimizer=" + optimizer}), families, kVocab, at::kFloat);
  setup.store->initialise(1);
  return setup;
}

TEST(SampledLabels, HaveTheModelsProbabilities) {
  const Families families = make_families();
  const auto setup = setup_of(families, "adamw");
  const auto head = setup.model->head();
  const std::int64_t rows = 100, length = 40, n = rows * length;
  at::Tensor hidden = at::zeros({rows, length, head.weight.weight().size(1)});
  hidden.select(2, 0).fill_(40);  // the same at each place; the head's weights are small
  std::vector<std::int64_t> samples(rows);
  std::iota(samples.begin(), samples.end(), 5);
  const at::Tensor targets = at::zeros({rows, length}, at::kLong);
  const auto labels = sampled_labels(hidden, head, targets, {1, 1, samples});
  const auto expected = at::softmax(logits(hidden.select(0, 0).narrow(0, 0, 1), head), 1, at::kDouble).view({-1});
  const auto found = at::bincount(labels.flatten(), {}, kVocab).to(at::kDouble) / static_cast<double>(n);
  EXPECT_GT(expected.max().item<double>() / expected.min().item<double>(), 1.5);
  const auto spread = (expected * (1 - expected) / static_cast<double>(n)).sqrt();
  EXPECT_LT(((found - expected) / spread).abs().max().item<double>(), 4.5);

  EXPECT_TRUE(same_bits(labels, sampled_labels(hidden, head, targets, {1, 1, samples})));
  EXPECT_FALSE(same_bits(labels, sampled_labels(hidden, head, targets, {1, 2, samples})));
  // Where a row is computed does not matter.
  const auto one = sampled_labels(hidden.narrow(0, 3, 1), head, targets.narrow(0, 3, 1), {1, 1, {samples[3]}});
  EXPECT_TRUE(same_bits(one, labels.narrow(0, 3, 1)));
  const auto none = at::full({1, length}, -1, at::kLong);
  EXPECT_TRUE(same_bits(sampled_labels(hidden.narrow(0, 3, 1), head, none, {1, 1, {samples[3]}}), none));
}

/// The largest number in the states of this name.
double largest(const TrainSetup& setup, const std::string& name) {
  double most = 0;
  for (const auto& state : setup.optimizer->state()) {
    if (state.name.rfind(name + "/", 0) == 0) most = std::max(most, state.tensor.abs().max().item<double>());
  }
  return most;
}

TEST(SampledLabels, GoToTheOptimizerThatAsksForThem) {
  const Families families = make_families();
  auto setup = setup_of(families, "{type: sophia_g, every: 2}");
  TrainStep step(setup);
  step.refresh_weights();
  for (int i = 1; i <= 3; ++i) {
    step.accumulate(random_batch(2, 32, kVocab, static_cast<std::uint64_t>(i)));
    step.accumulate(random_batch(1, 32, kVocab, static_cast<std::uint64_t>(10 + i)), true);
    const double before = largest(setup, "hessian");
    EXPECT_TRUE(step.finish(i).applied);
    EXPECT_EQ(largest(setup, "hessian") != before, i == 2) << i;
    EXPECT_EQ(setup.store->flat_grads().abs().max().item<double>(), 0);
  }
}

}  // namespace
}  // namespace ingot
