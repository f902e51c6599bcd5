// Every file of configs/recipes resolves, plans, reproduces itself, and takes a step when it is made small.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/files.h"
#include "base/text.h"
#include "config/document.h"
#include "config/dump.h"
#include "recipe/load.h"
#include "recipe/placement_bundle.h"
#include "train/families.h"
#include "train/plan.h"
#include "train/samples.h"
#include "train/setup_warnings.h"
#include "train/step.h"

namespace ingot {
namespace {

using namespace testing;

std::vector<std::string> recipes() {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(source_path("configs/recipes"))) {
    out.push_back(entry.path().stem().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

class Recipe : public ::testing::TestWithParam<std::string> {
 protected:
  RunConfig config(const std::vector<std::string>& overrides = {}) {
    return load_config(source_path(cat("configs/recipes/", GetParam(), ".yaml")), overrides, families,
                       UnsetNames::kAccept);
  }
  Families families = make_families();
};

TEST_P(Recipe, ResolvesAndPlans) {
  const auto resolved = config();
  PlanOptions options;
  options.measure = Measure::kNothing;
  options.vocab_size = 32000;
  const auto setup = plan_setup(resolved, families, options);
  // Published recipes decay matrices whose output has a norm; nothing else may be without effect.
  for (const auto& warning : setup_warnings(setup)) {
    EXPECT_NE(warning.find("weight decay"), std::string::npos) << warning;
  }
  EXPECT_GT(setup.store->num_parameters(), 0);
  const auto text = dump_config(resolved, PathText::kPlain);  // their $TEXT is not set
  const auto again = read_run_config(Document::parse(text, "resolved"), families, UnsetNames::kAccept);
  EXPECT_EQ(dump_config(again, PathText::kPlain), text);
}

TEST_P(Recipe, TakesAStepWhenItIsSmall) {
  auto small =
      config({"model.d_model=96", "data.seq_len=16", "train.duration=4 steps", "train.global_batch=2 sequences",
              "train.micro_batch=2", "model.tie_embeddings=false", "train.precision=fp32", "train.device=cpu",
              "train.threads=1", "optim.schedule=constant"});  // others have warm-ups longer than these 4 steps
  auto setup = allocated_setup(small, families, 257, at::kFloat);
  TrainStep step(setup);
  step.accumulate(random_batch(2, 16, 257, 3));
  const auto result = step.finish(1);
  EXPECT_TRUE(result.applied);
  // Random tokens: not far from the loss of equal probabilities.
  EXPECT_NEAR(result.loss, std::log(257), 2);
}

INSTANTIATE_TEST_SUITE_P(All, Recipe, ::testing::ValuesIn(recipes()), [](const auto& test) { return test.param; });

TEST(RecipeFacts, Gpt2SmallHasItsPublishedSizeButForBiases) {
  const auto families = make_families();
  const auto config = load_config(source_path("configs/recipes/gpt2.yaml"), {}, families, UnsetNames::kAccept);
  PlanOptions options;
  options.measure = Measure::kNothing;
  // 124,439,808 published; attention's biases (4 x 768 in 12 layers) are left out, and the table is padded to 50304
  // rows.
  EXPECT_EQ(plan_setup(config, families, options).store->num_parameters(),
            124439808 - 12 * 4 * 768 + (50304 - 50257) * 768);
}

/// As nanoGPT's do, whose decay is for every tensor of two axes.
TEST(RecipeFacts, LearnedPositionsDecay) {
  const auto families = make_families();
  PlanOptions options;
  options.measure = Measure::kNothing;
  options.vocab_size = 65;
  for (const auto& [recipe, decay] :
       std::vector<std::pair<std::string, double>>{{"gpt2", 0.1}, {"shakespeare_char", 0.1}, {"norm_removal", 0.01}}) {
    const auto path = source_path(cat("configs/recipes/", recipe, ".yaml"));
    const auto setup = plan_setup(load_config(path, {}, families, UnsetNames::kAccept), families, options);
    int positions = 0;
    for (const auto& assignment : setup.optimizer->assignments()) {
      if (!assignment.master->param->roles.has(Role::kPosition)) continue;
      ++positions;
      EXPECT_EQ(assignment.weight_decay, decay) << recipe;
    }
    EXPECT_EQ(positions, 1) << recipe;
  }
}

}  // namespace
}  // namespace ingot
