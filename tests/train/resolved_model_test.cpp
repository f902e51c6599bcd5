// The model as data, and what of it costs the same.

#include "model/resolved_model.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "config/document.h"
#include "model/language_model.h"
#include "params/effective_weights.h"
#include "recipe/load.h"
#include "support/tolerance.h"
#include "train/families.h"
#include "train/samples.h"

namespace ingot {
namespace {

using namespace testing;

class Resolved : public ::testing::Test {
 protected:
  /// DFMF AFMF with these overrides.
  ResolvedModel model(const std::vector<std::string>& overrides) const {
    const auto config = tiny_config(families, overrides);
    ModelOptions options;
    options.vocab_size = 50;
    options.seq_len = config.data.seq_len;
    ParameterStore store;
    return LanguageModel(config.model, options, families, store).resolved();
  }
  Families families = make_families();
};

TEST_F(Resolved, HasWhatConfigAndPlacementSay) {
  const auto made = model({"model.placement=peri", "model.operators.F.sites={hidden: layer_norm}", "model.linear=sdd"});
  ASSERT_EQ(made.sublayers.size(), 8u);
  EXPECT_EQ(made.norm_at(Site::kOutput, 1)->name(), "rms_norm");
  EXPECT_TRUE(made.follows_model_norm(Site::kOutput, 1));
  EXPECT_EQ(made.norm_at(Site::kHidden, 1)->name(), "layer_norm");
  EXPECT_FALSE(made.follows_model_norm(Site::kHidden, 1));
  EXPECT_EQ(made.norm_at(Site::kStream, 1), nullptr);
  EXPECT_EQ(made.norm_at(Site::kFinal, -1)->name(), "rms_norm");
  EXPECT_EQ(made.sublayer(4).op, "A");
  EXPECT_EQ(made.sublayer(4).mixer->name(), "attention");
  EXPECT_EQ(made.sublayer(1).ffn->name(), "swiglu");
  EXPECT_EQ(made.sublayer(1).linear.name(), "sdd");
  EXPECT_EQ(made.residual.name(), "add");
}

TEST_F(Resolved, WorkIsTheSameWhateverTheFactors) {
  const auto scaled = model({"model.placement=layernorm_scaling"});
  EXPECT_NE(scaled.sublayer(3).input_scale, scaled.sublayer(5).input_scale);
  EXPECT_TRUE(same_work(scaled.sublayer(3), scaled.sublayer(5)));
  EXPECT_FALSE(same_work(scaled.sublayer(1), scaled.sublayer(3)));  // the first block's factor is 1
  EXPECT_FALSE(same_work(scaled.sublayer(2), scaled.sublayer(3)));
  const auto growing = model({"model.residual=prores"});
  EXPECT_NE(growing.sublayer(1).residual_text, growing.sublayer(3).residual_text);
  EXPECT_TRUE(same_work(growing.sublayer(1), growing.sublayer(3)));
}

TEST_F(Resolved, WorkDiffersByWhatActs) {
  const auto normed = model({"model.overrides=[{depth: 3, sites: {hidden: rms_norm}}]"});
  EXPECT_FALSE(same_work(normed.sublayer(1), normed.sublayer(3)));
  EXPECT_TRUE(same_work(normed.sublayer(1), normed.sublayer(5)));
  const auto reading = model({"model.residual=attention_residuals"});
  EXPECT_FALSE(same_work(reading.sublayer(1), reading.sublayer(3)));
  const auto recomputed = model({"model.operators.G={like: F, recompute: full}", "model.layers=DFDG"});
  EXPECT_FALSE(same_work(recomputed.sublayer(1), recomputed.sublayer(3)));
}

TEST_F(Resolved, NamesOfOperatorsDoNotMatter) {
  const auto made = model({"model.operators.G={like: F, ffn: {width: 64}}",
                           "model.operators.H={like: F, ffn: {width: 32}}", "model.layers=DFDGDH"});
  EXPECT_TRUE(same_work(made.sublayer(1), made.sublayer(3)));  // 2x of 32
  EXPECT_FALSE(same_work(made.sublayer(1), made.sublayer(5)));
}

TEST_F(Resolved, EffectiveWeightsHaveTheNamesOfParameters) {
  const auto made = allocated_setup(tiny_config(families), families, 50);
  const auto weights = effective_weights(*made.store);
  EXPECT_EQ(weights.size(), made.store->parameters().size());
  for (const Master& master : made.store->masters()) {
    EXPECT_TRUE(same_bits(weights.at(master.name), master.value.detach())) << master.name;  // plain, in fp64
  }
}

TEST_F(Resolved, SettingsOfOptimizersAreCheckedTogether) {
  const auto error = [&](const std::string& optim) {
    const std::string text = "extends: " + source_path("configs/test/tiny.yaml") + "\noptim:\n" + optim;
    try {
      read_run_config(Document::parse(text, "mine.yaml"), families);
      return std::string();
    } catch (const ConfigError& problem) {
      return std::string(problem.what());
    }
  };
  const auto sgd = error("  optimizer: {type: sgd, nesterov: true, momentum: 0}\n");
  EXPECT_NE(sgd.find("mine.yaml:3:36: optim.optimizer.nesterov: expected a momentum above 0"), std::string::npos)
      << sgd;
  const auto group = error("  groups: [{name: g, match: {role: gain}, optimizer: {type: adamw, betas: [0.9]}}]\n");
  EXPECT_NE(group.find("optim.groups.0.optimizer.betas: expected 2 numbers, got 1"), std::string::npos) << group;
  EXPECT_NE(group.find("mine.yaml:3:"), std::string::npos) << group;
  EXPECT_EQ(error("  optimizer: {type: sgd, nesterov: true}\n"), "");
}

}  // namespace
}  // namespace ingot
