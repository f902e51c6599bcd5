// What a training step does with noise and with losses that layers and penalties add.

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "eval/batch_tensors.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"
#include "support/weights.h"
#include "train/families.h"
#include "train/noisy_norm.h"
#include "train/step.h"

namespace ingot {
namespace {

using namespace testing;

constexpr std::int64_t kVocab = 50;
constexpr std::int64_t kRows = 4, kLength = 24;

struct Outcome {
  at::Tensor gradient;
  StepResult result;
};

std::vector<std::string> names_of(const StepResult& result) {
  std::vector<std::string> names;
  for (const auto& term : result.terms) names.push_back(term.name);
  return names;
}

class NamedLosses : public ::testing::Test {
 protected:
  /// A step in micro-batches of the given numbers of rows that changes nothing.
  static Outcome step_of(TrainSetup& setup, const std::vector<std::int64_t>& split) {
    TrainStep step(setup);
    const auto batch = random_batch(kRows, kLength, kVocab, 5);
    std::int64_t first = 0;
    for (const auto rows : split) {
      step.accumulate(rows_of(batch, first, rows));
      first += rows;
    }
    Outcome out;
    out.gradient = setup.store->flat_grads().clone();
    out.result = step.finish(1, [](double, double) { return false; });
    return out;
  }
  TrainSetup make(const std::vector<std::string>& overrides = {}, std::int64_t updates = 0) {
    auto setup = allocated_setup(noisy_config(families, overrides), families, kVocab);
    auto point = setup.model->point();
    point.updates = updates;
    setup.model->set_point(point);
    return setup;
  }
  Outcome step(const std::vector<std::int64_t>& split = {kRows}, const std::vector<std::string>& overrides = {},
               std::int64_t updates = 0) {
    auto setup = make(overrides, updates);
    return step_of(setup, split);
  }
  Families families = make_families();
};

TEST_F(NamedLosses, AndNoiseAreTheSameForAnySplit) {
  const auto whole = step();
  EXPECT_EQ(names_of(whole.result), std::vector<std::string>{"mean_square"});
  EXPECT_GT(whole.result.terms[0].value, 0);
  for (const auto& split : std::vector<std::vector<std::int64_t>>{{1, 3}, {2, 1, 1}}) {
    const auto parts = step(split);
    EXPECT_TRUE(close(parts.gradient, whole.gradient, Tolerance::of(at::kDouble).reduction(64).chain(64)));
    EXPECT_NEAR(parts.result.loss, whole.result.loss, 1e-12);
    EXPECT_NEAR(parts.result.terms[0].value, whole.result.terms[0].value, 1e-12);
  }
}

TEST_F(NamedLosses, AndNoiseAreTheSameWhereTheyAreComputedAgain) {
  const auto expected = step();
  for (const auto* policy : {"train.recompute=selective", "train.recompute=full"}) {
    const auto again = step({kRows}, {policy});
    // Three gradients meet where a loss hangs, in an order that depends on what runs again.
    EXPECT_TRUE(close(again.gradient, expected.gradient, Tolerance::of(at::kDouble).reduction(64).chain(64))) << policy;
    EXPECT_EQ(again.result.terms[0].value, expected.result.terms[0].value) << policy;
  }
}

TEST_F(NamedLosses, NoiseIsNewInEveryUpdateAndAbsentInEvaluation) {
  EXPECT_NE(step({kRows}, {}, 1).result.loss, step().result.loss);
  const auto setup = make();
  const c10::AutoGradMode no_grad(false);
  const auto tensors = to_tensors(random_batch(kRows, kLength, kVocab, 5), true);
  const auto run = [&](bool training) {
    const TrainingPass pass{at::arange(kRows, at::kLong), nullptr};
    return training ? setup.model->forward(tensors.tokens, tensors.documents, pass)
                    : setup.model->forward(tensors.tokens, tensors.documents, false);
  };
  EXPECT_TRUE(at::equal(run(true), run(true)));
  EXPECT_FALSE(at::equal(run(true), run(false)));
}

/// Of everything that a step minimises, in fp64 along a random direction of the weights.
TEST_F(NamedLosses, GradientsAreThoseOfTheSum) {
  auto setup = make({"train.recompute=full", "train.z_loss=0.01",
                     "weights.penalties=[{type: norm_loss, weight: 0.02, match: {role: writes_stream}}, "
                     "{type: norm_loss, weight: 0.01, match: {part: gate}}]"});
  const auto start = step_of(setup, {1, 3});
  EXPECT_EQ(names_of(start.result), (std::vector<std::string>{"z_loss", "mean_square", "norm_loss"}));
  at::Tensor masters = setup.store->flat_masters();
  const auto direction = random_normal({masters.numel()}, 3), kept = masters.clone();
  const auto total_at = [&](double h) {
    masters.copy_(kept.add(direction, h));
    setup.store->materialise();
    const auto result = step_of(setup, {kRows}).result;
    double sum = result.loss;
    for (const auto& term : result.terms) sum += term.value;
    return sum;
  };
  const double h = 1e-6;
  const double numeric = (total_at(h) - total_at(-h)) / (2 * h);
  total_at(0);
  setup.store->zero_grads();
  TrainStep step(setup);
  const auto batch = random_batch(kRows, kLength, kVocab, 5);
  step.accumulate(batch);
  setup.store->penalise(static_cast<double>(batch.target_count));
  setup.store->pull_back();
  const double sum = (setup.store->flat_grads() * direction).sum().item<double>();
  const double analytic = sum / static_cast<double>(batch.target_count);
  EXPECT_NEAR(numeric, analytic, 1e-6 * (1 + std::abs(analytic)));
}

TEST_F(NamedLosses, FrozenNormAddsItsPenaltyThroughTheSameDoor) {
  const auto result = [&](const std::string& norm) {
    auto setup = allocated_setup(tiny_config(families, {"model.norm=" + norm}), families, kVocab);
    TrainStep step(setup);
    const auto batch = random_batch(kRows, kLength, kVocab, 5);
    step.accumulate(batch);
    step.finish(1);  // before it there is no number to stay close to
    step.accumulate(batch);
    return step.finish(2, [](double, double) { return false; });
  };
  const auto with = result("{type: frozen_norm, freeze: {at: 9}, penalty: 0.1}"),
             without = result("{type: frozen_norm, freeze: {at: 9}}");
  EXPECT_EQ(names_of(with), std::vector<std::string>{"frozen_norm"});
  EXPECT_GT(with.terms[0].value, 0);
  EXPECT_TRUE(without.terms.empty());
  EXPECT_EQ(with.loss, without.loss);
  EXPECT_NE(with.grad_norm, without.grad_norm);
}

}  // namespace
}  // namespace ingot
