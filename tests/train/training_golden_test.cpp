// Training steps of small models against independent implementations in fp64.

#include <ATen/TensorOperators.h>
#include <ATen/core/TensorBody.h>
#include <ATen/ops/scalar_tensor.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <map>

#include "eval/batch_tensors.h"
#include "objective/objective.h"
#include "recipe/load.h"
#include "support/golden.h"
#include "support/tolerance.h"
#include "train/families.h"
#include "train/samples.h"
#include "train/step.h"

namespace ingot {
namespace {

using namespace testing;

struct Case {
  const char* golden;  // tests/golden/NAME.{safetensors,yaml}
  const char* which;   // prefix of the results
};

/// Puts the golden's weights into the masters, which it returns by name: each of them must be there.
std::map<std::string, at::Tensor> load_weights(TrainSetup& setup, const Golden& golden) {
  std::map<std::string, at::Tensor> state;
  for (const auto& part : setup.store->state()) state.emplace(part.name, part.tensor);
  const auto weights = golden.below("weights/");
  EXPECT_EQ(weights.size(), state.size());
  for (const auto& [name, tensor] : weights) {
    EXPECT_EQ(state.count(name), 1u) << name;
    if (state.count(name) != 0) state.at(name).copy_(tensor);
  }
  setup.store->begin_constraints();
  setup.store->materialise();
  return state;
}

at::Tensor logits_of(const TrainSetup& setup, const Batch& batch, bool documents) {
  c10::NoGradGuard no_grad;
  const auto tensors = to_tensors(batch, documents);
  const auto hidden = setup.model->forward(tensors.tokens, tensors.documents, false);
  return logits(hidden, setup.model->head());
}

class TrainingGolden : public ::testing::TestWithParam<Case> {};

Batch batch_of(const Golden& golden, std::int64_t step) {
  const auto read = [&](const char* name) {
    const auto rows = golden.at(name)[step].contiguous();
    return std::vector<std::int32_t>(rows.const_data_ptr<std::int32_t>(),
                                     rows.const_data_ptr<std::int32_t>() + rows.numel());
  };
  Batch batch;
  batch.rows = golden.at("tokens").size(1);
  batch.seq_len = golden.at("tokens").size(2);
  batch.tokens = read("tokens");
  batch.targets = read("targets");
  batch.documents.resize(batch.tokens.size());  // one for each row
  if (golden.has("documents")) batch.documents = read("documents");
  for (const auto target : batch.targets) batch.target_count += target >= 0 ? 1 : 0;
  return batch;
}

TEST_P(TrainingGolden, LossesNormsAndWeightsAgree) {
  const std::string name_of_golden = GetParam().golden, which = GetParam().which;
  const Golden golden(name_of_golden);
  const auto families = make_families();
  const bool documents = which == "documents";
  const auto config = load_config(source_path("tests/golden/" + name_of_golden + ".yaml"),
                                  {std::string("data.reset_at_document=") + (documents ? "true" : "false")}, families);
  auto setup = allocated_setup(config, families, 40);
  const auto state = load_weights(setup, golden);
  EXPECT_LT(relative_error(logits_of(setup, batch_of(golden, 0), documents), golden.at(which + "/logits")), 1e-9);
  TrainStep step(setup);
  for (std::int64_t i = 0; i < golden.at("tokens").size(0); ++i) {
    step.accumulate(batch_of(golden, i));
    const auto result = step.finish(i + 1);
    const double loss = golden.at(which + "/loss")[i].item<double>();
    const double norm = golden.at(which + "/norm")[i].item<double>();
    EXPECT_NEAR(result.loss, loss, 1e-9 * loss) << "step " << i;
    EXPECT_NEAR(result.grad_norm, norm, 1e-7 * norm) << "step " << i;
  }
  for (const auto& [name, tensor] : golden.below(which + "/final/")) {
    EXPECT_LT(relative_error(state.at(name), tensor), 1e-6) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, TrainingGolden,
                         ::testing::Values(Case{"hybrid", "plain"}, Case{"hybrid", "documents"}, Case{"ngpt", "plain"}),
                         [](const auto& test) { return std::string(test.param.golden) + "_" + test.param.which; });

// Layers by transformers and flash-linear-attention alone, so that no misreading of ours can be on both sides. The one
// step is plain descent at the rate 1: what a weight moves by is its gradient.
TEST(PublishedHybrid, LogitsLossAndEveryGradientAgree) {
  const Golden golden("published_hybrid");
  const auto families = make_families();
  const auto config = load_config(source_path("tests/golden/published_hybrid.yaml"), {}, families);
  auto setup = allocated_setup(config, families, 40);
  const auto state = load_weights(setup, golden);
  const auto batch = batch_of(golden, 0);
  const auto exact = Tolerance::of(at::kDouble).reduction(48).chain(6 * 8);  // 6 layers of up to 8 operations
  EXPECT_TRUE(close(logits_of(setup, batch, false), golden.at("logits"), exact));

  std::map<std::string, at::Tensor> before;
  for (const auto& [name, tensor] : state) before.emplace(name, tensor.clone());
  TrainStep step(setup);
  step.accumulate(batch);
  const double loss = step.finish(1).loss;
  EXPECT_TRUE(close(at::scalar_tensor(loss, at::kDouble), golden.at("loss")[0], exact));
  // Gradients are stored in fp32.
  const auto gradients = golden.below("grad/");
  ASSERT_EQ(gradients.size(), state.size());
  for (const auto& [name, gradient] : gradients) {
    const auto moved = (before.at(name) - state.at(name)).to(at::kFloat);
    EXPECT_TRUE(close(moved, gradient, Tolerance::of(at::kFloat))) << name;
  }
}

}  // namespace
}  // namespace ingot
