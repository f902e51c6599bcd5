// The model as the run's config makes it: prefix, documents, decoding, parameter counts.

#include <ATen/core/TensorBody.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/function.h>

#include <memory>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "eval/batch_tensors.h"
#include "eval/generate.h"
#include "objective/objective.h"
#include "recipe/load.h"
#include "support/tolerance.h"
#include "support/weights.h"
#include "train/families.h"
#include "train/plan.h"
#include "train/samples.h"
#include "train/step.h"

namespace ingot {
namespace {

using namespace testing;

constexpr std::int64_t kVocab = 50;

/// Rounding of a deep fp64 model: layers × a few hundred operations of growing reduction.
Tolerance model_tolerance() { return Tolerance::of(at::kDouble).reduction(64).chain(64); }

class Model : public ::testing::Test {
 protected:
  Families families = make_families();
  TrainSetup setup = allocated_setup(tiny_config(families), families, kVocab);
};

TEST_F(Model, PrefixStatesEqualTheConcatenatedSequenceInValuesAndGradients) {
  const auto batch = random_batch(3, 29, kVocab, 5);
  const auto tokens = to_tensors(batch, false).tokens;
  const auto grads = [&](bool concatenated) {
    setup.store->zero_grads();
    const auto hidden =
        concatenated ? setup.model->forward_concatenated(tokens) : setup.model->forward(tokens, {}, true);
    const auto objective = make_variant<ObjectiveEntry>(families, "cross_entropy");
    objective.entry()
        .make(objective.settings(), {})
        ->forward(hidden, setup.model->head(), to_tensors(batch, false).targets)
        .total.backward();
    return std::pair{hidden.detach(), setup.store->flat_grads().clone()};
  };
  const auto [hidden, gradient] = grads(false);
  const auto [expected_hidden, expected_gradient] = grads(true);
  EXPECT_TRUE(close(hidden, expected_hidden, model_tolerance()));
  EXPECT_TRUE(close(gradient, expected_gradient, model_tolerance()));
}

TEST_F(Model, RecomputePoliciesGiveTheSameBits) {
  const auto gradient = [&](const std::vector<std::string>& overrides) {
    auto other = allocated_setup(tiny_config(families, overrides), families, kVocab, at::kFloat);
    TrainStep step(other);
    step.accumulate(random_batch(3, 29, kVocab, 5));
    return other.store->flat_grads().clone();
  };
  const auto expected = gradient({});
  for (const auto& policy : {"train.recompute=selective", "train.recompute=full", "model.operators.D.recompute=full"}) {
    EXPECT_TRUE(at::equal(gradient({policy}), expected)) << policy;
  }
}

/// Attention layers that mix in the first one's values, with the overrides that make them so.
std::vector<std::string> with_value_residual(const std::string& start, std::vector<std::string> more = {}) {
  more.insert(more.end(), {"model.layers=AFDFAF", cat("model.operators.A.mixer.value_residual=", start)});
  return more;
}

TEST_F(Model, RecomputePoliciesGiveTheSameBitsWithAValueResidual) {
  const auto gradient = [&](const std::vector<std::string>& overrides) {
    auto other =
        allocated_setup(tiny_config(families, with_value_residual("0.5", overrides)), families, kVocab, at::kFloat);
    TrainStep step(other);
    step.accumulate(random_batch(3, 29, kVocab, 5));
    EXPECT_NE(master_of(*other.store, "layers.4.mixer.value_residual").grad.item<float>(), 0);
    return other.store->flat_grads().clone();
  };
  const auto expected = gradient({});
  for (const auto& policy : {"train.recompute=selective", "train.recompute=full"}) {
    EXPECT_TRUE(at::equal(gradient({policy}), expected)) << policy;
  }
}

/// Nodes of autograd that a tensor is made of.
void collect_nodes(const std::shared_ptr<torch::autograd::Node>& node, std::set<torch::autograd::Node*>& seen,
                   std::vector<std::weak_ptr<torch::autograd::Node>>& nodes) {
  if (node == nullptr || !seen.insert(node.get()).second) return;
  nodes.push_back(node);
  for (const auto& edge : node->next_edges()) collect_nodes(edge.function, seen, nodes);
}

TEST_F(Model, WhatIsLeftForLaterLayersIsFreedWithItsReaders) {
  auto other =
      allocated_setup(tiny_config(families, with_value_residual("0.5", {"train.recompute=full"})), families, kVocab);
  const auto tensors = to_tensors(random_batch(2, 12, kVocab, 7), true);
  std::vector<std::weak_ptr<torch::autograd::Node>> nodes;
  {
    const auto hidden = other.model->forward(tensors.tokens, tensors.documents, true);
    std::set<torch::autograd::Node*> seen;
    collect_nodes(hidden.grad_fn(), seen, nodes);
  }
  EXPECT_GT(nodes.size(), 10u);
  for (const auto& node : nodes) EXPECT_TRUE(node.expired()) << node.lock()->name();
}

TEST_F(Model, AValueResidualMixesTheFirstValuesIn) {
  const auto hidden = [&](const std::string& start, const std::string& scaled) {
    auto other = allocated_setup(tiny_config(families, with_value_residual(start)), families, kVocab);
    if (!scaled.empty()) {
      const c10::AutoGradMode no_grad(false);
      at::Tensor(master_of(*other.store, scaled).value).mul_(2);
      other.store->materialise();
    }
    const auto tokens = to_tensors(random_batch(2, 12, kVocab, 7), false).tokens;
    return other.model->forward(tokens, {}, false).detach();
  };
  const std::string later = "layers.4.mixer.v.weight", first = "layers.0.mixer.v.weight";
  // All of the first one's: a later layer's own do not matter. None: the layer is as without the key.
  EXPECT_TRUE(close(hidden("1.0", later), hidden("1.0", ""), model_tolerance()));
  EXPECT_GT(relative_error(hidden("0.5", later), hidden("0.5", "")), 1e-6);
  EXPECT_GT(relative_error(hidden("1.0", first), hidden("1.0", "")), 1e-6);
  auto plain = allocated_setup(tiny_config(families, {"model.layers=AFDFAF"}), families, kVocab);
  const auto tokens = to_tensors(random_batch(2, 12, kVocab, 7), false).tokens;
  EXPECT_TRUE(close(hidden("0.0", ""), plain.model->forward(tokens, {}, false).detach(), model_tolerance()));
}

TEST_F(Model, AValueResidualDecodesAsItTrains) {
  const auto other = allocated_setup(tiny_config(families, with_value_residual("0.3")), families, kVocab);
  const auto tokens = to_tensors(random_batch(2, 12, kVocab, 7), false).tokens;
  const auto expected = other.model->forward(tokens, {}, false).detach();
  auto state = other.model->begin_decode(2);
  std::vector<at::Tensor> parts{other.model->prefill(tokens.slice(1, 0, 5), state)};
  for (std::int64_t t = 5; t < 12; ++t) parts.push_back(other.model->step(tokens.slice(1, t, t + 1), state));
  EXPECT_TRUE(close(at::cat(parts, 1), expected, model_tolerance()));
}

TEST_F(Model, AValueResidualNeedsHeadsOfOneShape) {
  const auto config =
      tiny_config(families, with_value_residual("0.3", {"model.operators.B={like: A, mixer: {num_kv_heads: 2}}"}));
  auto other = config;
  other.model.layers = "AFBF";
  EXPECT_THROW(allocated_setup(other, families, kVocab), ConfigError);
}

TEST_F(Model, DocumentsInARowEqualDocumentsOnTheirOwn) {
  const auto batch = random_batch(1, 30, kVocab, 6);
  const auto tensors = to_tensors(batch, true);
  const auto hidden = setup.model->forward(tensors.tokens, tensors.documents, false);
  std::vector<at::Tensor> parts;
  std::int64_t begin = 0;
  for (std::int64_t t = 1; t <= 30; ++t) {
    const auto at_end =
        t == 30 || batch.documents[static_cast<std::size_t>(t)] != batch.documents[static_cast<std::size_t>(begin)];
    if (!at_end) continue;
    parts.push_back(setup.model->forward(tensors.tokens.slice(1, begin, t), {}, false));
    begin = t;
  }
  ASSERT_GT(parts.size(), 2u);
  EXPECT_TRUE(close(hidden, at::cat(parts, 1), model_tolerance()));
}

TEST_F(Model, StepFormEqualsTheParallelForm) {
  const auto tokens = to_tensors(random_batch(2, 12, kVocab, 7), false).tokens;
  const auto expected = setup.model->forward(tokens, {}, false);
  auto state = setup.model->begin_decode(2);
  std::vector<at::Tensor> hidden{setup.model->prefill(tokens.slice(1, 0, 5), state)};
  for (std::int64_t t = 5; t < 12; ++t) hidden.push_back(setup.model->step(tokens.slice(1, t, t + 1), state));
  EXPECT_TRUE(close(at::cat(hidden, 1), expected.detach(), model_tolerance()));
}

TEST_F(Model, GreedyTextOfTheStepFormIsThatOfTheParallelForm) {
  c10::NoGradGuard no_grad;
  GenerateOptions options;
  options.max_tokens = 20;
  options.temperature = 0;
  const std::vector<TokenId> prompt{3, 1, 4};
  const auto decoded = generate(*setup.model, prompt, std::nullopt, options);
  std::vector<std::int64_t> ids(prompt.begin(), prompt.end());
  for (int i = 0; i < 20; ++i) {
    const auto hidden = setup.model->forward(at::tensor(ids, at::kLong).unsqueeze(0), {}, false);
    ids.push_back(logits(hidden[0][-1], setup.model->head()).argmax().item<std::int64_t>());
  }
  EXPECT_EQ(std::vector<std::int64_t>(decoded.begin(), decoded.end()),
            std::vector<std::int64_t>(ids.begin() + 3, ids.end()));
}

TEST_F(Model, MicroBatchesDoNotChangeTheStep) {
  const auto batch = random_batch(4, 32, kVocab, 8);
  const auto run = [&](std::int64_t rows) {
    auto fresh = allocated_setup(tiny_config(families), families, kVocab);
    TrainStep step(fresh);
    for (std::int64_t first = 0; first < 4; first += rows) {
      Batch part;
      part.rows = rows;
      part.seq_len = 32;
      const auto cut = [&](const std::vector<std::int32_t>& v) {
        return std::vector<std::int32_t>(v.begin() + first * 32, v.begin() + (first + rows) * 32);
      };
      part.tokens = cut(batch.tokens);
      part.targets = cut(batch.targets);
      part.documents = cut(batch.documents);
      for (const auto target : part.targets) part.target_count += target >= 0 ? 1 : 0;
      step.accumulate(part);
    }
    const auto result = step.finish(1);
    EXPECT_TRUE(result.applied);
    return std::pair{result, fresh.store->flat_masters().clone()};
  };
  const auto [whole, weights] = run(4);
  const auto [split, split_weights] = run(1);
  EXPECT_NEAR(whole.loss, split.loss, 1e-12 * whole.loss);
  EXPECT_NEAR(whole.grad_norm, split.grad_norm, 1e-10 * whole.grad_norm);
  // Adam divides by the gradient's own size, which lifts rounding errors of tiny gradients.
  EXPECT_LT(relative_error(split_weights, weights), 1e-8);
}

TEST_F(Model, AStepThatIsNotFiniteLeavesTheWeightsAlone) {
  setup.store->flat_grads().fill_(0);
  const auto before = setup.store->flat_masters().clone();
  TrainStep step(setup);
  step.accumulate(random_batch(2, 32, kVocab, 9));
  setup.store->flat_grads()[0].fill_(std::numeric_limits<double>::quiet_NaN());
  const auto result = step.finish(1);
  EXPECT_FALSE(result.applied);
  EXPECT_TRUE(same_bits(setup.store->flat_masters(), before));
  EXPECT_EQ(setup.store->flat_grads().abs().sum().item<double>(), 0);
}

TEST(Plan, TheFlashModelsHaveTheirPublishedSizes) {
  const auto families = make_families();
  const auto count = [&](const char* file) {
    const auto config = load_config(source_path(file), {}, families, UnsetNames::kAccept);
    return plan_setup(config, families, {std::nullopt, Measure::kNothing}).store->num_parameters();
  };
  EXPECT_EQ(count("configs/nemotron_flash_1b.yaml"), 965389440);
  EXPECT_EQ(count("configs/nemotron_flash_3b.yaml"), 2749998624);
}

}  // namespace
}  // namespace ingot
