// A clipper that looks at logits: what it measures, and what it leaves of the step.

#include "train/step_probe.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/text.h"
#include "objective/objective.h"
#include "support/tolerance.h"
#include "train/families.h"
#include "train/make_setup.h"
#include "train/samples.h"
#include "train/step.h"

namespace ingot {
namespace {

using namespace testing;

constexpr std::int64_t kVocab = 61;

class StepProbing : public ::testing::Test {
 protected:
  struct Trained {
    TrainSetup setup;
    at::Tensor before;
    StepResult result;
  };
  Trained one_update(const std::vector<std::string>& overrides, const Batch& batch) {
    Trained out{allocated_setup(tiny_config(families, overrides), families, kVocab), {}, {}};
    out.before = out.setup.store->flat_masters().clone();
    TrainStep step(out.setup);
    step.accumulate(batch);
    out.result = step.finish(1);
    EXPECT_TRUE(out.result.applied);
    return out;
  }
  /// Between the first token rows' logits that move most and least along the whole step, by central differences.
  static double spread(Trained& trained, const Batch& batch, std::int64_t tokens) {
    auto& setup = trained.setup;
    const at::Tensor masters = setup.store->flat_masters();
    const at::Tensor after = masters.clone();
    const c10::NoGradGuard no_grad;
    const auto inputs = to_tensors(batch, setup.config.data.reset_at_document);
    constexpr double kStep = 1e-4;
    const auto at_share = [&](double share) {
      masters.copy_(trained.before + share * (after - trained.before));
      setup.store->materialise();
      const auto hidden = setup.model->forward(inputs.tokens, inputs.documents, false);
      return logits(hidden, setup.model->head()).select(0, 0).narrow(0, 0, tokens).narrow(1, 0, kVocab);
    };
    const at::Tensor slope = (at_share(kStep) - at_share(-kStep)) / (2 * kStep);
    masters.copy_(after);
    setup.store->materialise();
    return (slope.amax(1) - slope.amin(1)).max().item<double>();
  }
  Families families = make_families();
};

TEST_F(StepProbing, MeasuresTheSpreadOfTheStepAndTakesItsShare) {
  const auto batch = random_batch(2, 16, kVocab, 3);
  for (const char* weights : {"weights.constraints=[]", "weights.parametrization=weight_norm"}) {
    auto whole = one_update({weights, "optim.clip=none"}, batch);
    const double expected = 0.01 * std::numbers::pi / spread(whole, batch, 8);
    ASSERT_LT(expected, 1);
    const auto limited = one_update(
        {weights, "optim.clip={type: safe_radius, radius: 0.01, tokens: 8, quantile: 1, reach: 1e-7, max_norm: null}"},
        batch);
    ASSERT_TRUE(limited.result.step_share);
    EXPECT_NEAR(*limited.result.step_share / expected, 1, 1e-4) << weights;
    const at::Tensor moved = whole.setup.store->flat_masters() - whole.before;
    EXPECT_TRUE(close(limited.setup.store->flat_masters(), whole.before + *limited.result.step_share * moved,
                      Tolerance::of(at::kDouble).chain(4)))
        << weights;
  }
}

TEST_F(StepProbing, AStepWithinTheRadiusIsThatOfGlobalNorm) {
  const auto batch = random_batch(2, 16, kVocab, 3);
  const auto free = one_update({"optim.clip=global_norm"}, batch);
  const auto probed = one_update({"optim.clip={type: safe_radius, radius: 1000}"}, batch);
  EXPECT_EQ(*probed.result.step_share, 1);
  EXPECT_FALSE(free.result.step_share);
  EXPECT_TRUE(same_bits(probed.setup.store->flat_masters(), free.setup.store->flat_masters()));
}

TEST_F(StepProbing, ConstraintsHoldAfterAShortenedStep) {
  const auto batch = random_batch(2, 16, kVocab, 3);
  const auto limited = one_update(
      {"weights.constraints=[{type: unit_norm}]", "optim.clip={type: safe_radius, radius: 0.001, tokens: 4}"}, batch);
  EXPECT_LT(*limited.result.step_share, 1);
  for (const auto& master : limited.setup.store->masters()) {
    if (!master.param->roles.has(Role::kReadsStream)) continue;
    const at::Tensor norms = master.value.norm(2, 1);
    EXPECT_LT((norms - 1).abs().max().item<double>(), 1e-12) << master.name;
  }
}

TEST_F(StepProbing, BfloatWeightsAreRefused) {
  try {
    allocated_setup(tiny_config(families, {"optim.clip=safe_radius", "train.precision=bf16"}), families, kVocab,
                    at::kFloat);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("expected train.precision: fp32"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace ingot
