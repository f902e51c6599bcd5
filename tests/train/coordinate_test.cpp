// The coordinate check of muP: how far activations move in a few steps does not depend on the width. Yang et al. 2022,
// arXiv:2203.03466, appendix D.1.

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "eval/batch_tensors.h"
#include "objective/objective.h"
#include "train/families.h"
#include "train/plan.h"
#include "train/samples.h"
#include "train/step.h"

namespace ingot {
namespace {

using namespace testing;

constexpr std::int64_t kVocab = 64;

struct Movement {
  double hidden = 0;  // change of what the head reads, as a share of its size
  double logits = 0;  // root mean square of the change
};

/// How a model is trained for a moment.
struct Steps {
  std::string optimizer;
  std::int64_t count = 3;
};

/// Of a dense model's activations on the batch that it is trained on.
Movement movement(std::int64_t width, const Steps& steps, const std::string& scaling) {
  const auto families = make_families();
  const auto config =
      tiny_config(families, {cat("model.d_model=", width), "model.layers=AFAF",
                             cat("model.operators={A: {mixer: {type: attention, num_heads: ", width / 16,
                                 ", position: {type: rope}}}, F: {ffn: {type: swiglu, width: 2x}}}"),
                             "model.meta_tokens=0", "data.seq_len=16", "model.tie_embeddings=false",
                             "weights.init={type: normal, std: 0.03}", cat("weights.scaling=", scaling),
                             cat("optim.optimizer=", steps.optimizer)});
  auto setup = allocated_setup(config, families, kVocab, at::kFloat);
  const auto batch = random_batch(4, 16, kVocab, 9);
  const auto tensors = to_tensors(batch, false);
  const auto look = [&] {
    const c10::NoGradGuard no_grad;
    const auto hidden = setup.model->forward(tensors.tokens, tensors.documents, false);
    return std::pair(hidden, logits(hidden, setup.model->head()));
  };
  const auto [hidden, scores] = look();
  TrainStep step(setup);
  for (std::int64_t i = 1; i <= steps.count; ++i) {
    step.accumulate(batch);
    EXPECT_TRUE(step.finish(i).applied);
  }
  const auto [hidden_after, scores_after] = look();
  const auto size = [](const at::Tensor& x) { return std::sqrt(x.square().mean().item<double>()); };
  return {size(hidden_after - hidden) / size(hidden), size(scores_after - scores)};
}

/// From width 32 to 256.
Movement growth(const Steps& steps, const std::string& scaling) {
  const auto narrow = movement(32, steps, scaling), wide = movement(256, steps, scaling);
  return {wide.hidden / narrow.hidden, wide.logits / narrow.logits};
}

constexpr const char* kMup = "{type: mup, base_width: 32}";

TEST(CoordinateCheck, ActivationsMoveAlikeAtEveryWidthUnderMup) {
  for (const char* optimizer : {"{type: adamw, lr: 5e-4}", "{type: sgd, lr: 0.1, momentum: 0}"}) {
    EXPECT_NEAR(growth({optimizer}, kMup).hidden, 1, 0.2) << optimizer;
  }
}

/// After steps so large that the head's start values, whose part in the logits falls with the width, matter little.
TEST(CoordinateCheck, LogitsMoveAlikeAtEveryWidthUnderMup) {
  for (const auto& steps : {Steps{"{type: adamw, lr: 8e-3}", 8}, Steps{"{type: sgd, lr: 1, momentum: 0}", 3}}) {
    EXPECT_NEAR(growth(steps, kMup).logits, 1, 0.2) << steps.optimizer;
  }
}

TEST(CoordinateCheck, WithoutScalingTheyMoveTheFurtherTheWiderTheModel) {
  const auto standard = growth({"{type: adamw, lr: 5e-4}"}, "standard");
  EXPECT_GT(standard.hidden, 2.5);
  EXPECT_GT(standard.logits, 8);
}

TEST(ScalingInPlan, ShowsStartValuesRatesAndDecayOfEachParameter) {
  const auto families = make_families();
  const auto config = tiny_config(families, {"model.d_model=64", "weights.scaling={type: mup, base_width: 16}",
                                             "optim.optimizer={type: adamw, lr: 1e-3, weight_decay: 0.1}"});
  const auto setup = allocated_setup(config, families, kVocab);
  const auto table = parameter_table(setup);
  const auto cell = [&](const std::string& parameter, const std::string& column) {
    const auto row =
        std::find_if(table.rows.begin(), table.rows.end(), [&](const auto& r) { return r.key == parameter; });
    const auto at = std::find(table.columns.begin(), table.columns.end(), column) - table.columns.begin();
    return row->cells.at(static_cast<std::size_t>(at));
  };
  EXPECT_EQ(cell("layers.1.ffn.up.weight", "init"), "normal(0, 0.02) x 0.5");
  EXPECT_EQ(std::stod(cell("layers.1.ffn.up.weight", "lr")), 2.5e-4);
  EXPECT_EQ(std::stod(cell("layers.1.ffn.up.weight", "decay")), 0.4);
  EXPECT_EQ(cell("embedding.weight", "init"), "normal(0, 0.02)");
  EXPECT_EQ(std::stod(cell("embedding.weight", "lr")), 1e-3);
  const auto layers = describe_layers(setup.model->resolved());
  EXPECT_NE(layers.back().second.find("logits x 0.25"), std::string::npos) << layers.back().second;
}

}  // namespace
}  // namespace ingot
