// What `config diff` calls an effect.

#include "train/config_diff.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.h"
#include "train/families.h"
#include "train/plan.h"
#include "train/samples.h"

namespace ingot {
namespace {

using namespace testing;

class ConfigDiffs : public ::testing::Test {
 protected:
  /// The tiny config with `shared`, against the same with `changed` too.
  ConfigDiff of(const std::vector<std::string>& changed, const std::vector<std::string>& shared = {}) {
    auto overrides = shared;
    overrides.insert(overrides.end(), changed.begin(), changed.end());
    return compare_configs(tiny_config(families, shared), tiny_config(families, overrides), families,
                           [&](const RunConfig& config) {
                             PlanOptions options;
                             options.measure = Measure::kNothing;
                             options.warns = false;
                             return plan_setup(config, families, options);
                           });
  }
  using Paths = std::vector<std::string>;
  Families families = make_families();
};

TEST_F(ConfigDiffs, ANormAtASiteIsAnEffect) {
  for (const char* op : {"A", "D", "M"}) {
    const auto diff = of({cat("model.operators.", op, ".sites={head: rms_norm}")});
    EXPECT_EQ(diff.dead, Paths{}) << op;
    EXPECT_NE(join(diff.effects, "\n").find("mixer.head_norm.gain: new"), std::string::npos) << op;
  }
}

/// Each of these is another text and the same model.
TEST_F(ConfigDiffs, SettingsThatDoNotActHaveNoEffect) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      {"model.operators.A.mixer.head_dim=16", {}},
      {"model.operators.A.mixer.scale=0.25", {}},
      {"model.operators.A.mixer.qk_norm.over=all_heads", {}},
      {"model.operators.A.mixer.qk_norm.after_position=true",
       {"model.operators.A.sites.q=rms_norm", "model.operators.A.mixer.position=none"}},
      {"model.operators.A.mixer.always_see_prefix=true", {}},
      {"model.operators.A.mixer.always_see_prefix=true", {"model.operators.A.mixer.window=8", "model.meta_tokens=0"}},
      {"model.operators.A.mixer.value_residual=0.5", {}},
      {"model.operators.D.mixer.head_dim=16", {}},
      {"model.operators.F.ffn.width=64", {}},
      {"model.operators.F.ffn.multiple_of=32", {}},
      {"model.norm.eps=1e-3", {"model.sites.final=none", "model.overrides=[{sites: {input: none}}]"}},
      {"weights.init.std=0.5", {"weights.overrides=[{match: {name: '*'}, init: {type: normal, std: 0.1}}]"}},
      {"optim.schedule={type: cosine}",
       {"optim.groups=[{name: all, match: {name: '*'}, schedule: constant, weight_decay: 0}]"}},
      {"train.duration=512 tokens", {}},
      {"train.global_batch=128 tokens", {}}};
  for (const auto& [change, shared] : cases) {
    const auto diff = of({change}, shared);
    EXPECT_FALSE(diff.dead.empty()) << change << "\n" << join(diff.effects, "\n");
    EXPECT_EQ(diff.effects, Paths{}) << change;
    EXPECT_EQ(diff.outside, Paths{}) << change;
  }
}

/// What one side lacks is judged too.
TEST_F(ConfigDiffs, AnOperatorThatNothingNamesHasNoEffect) {
  const auto diff = of({"model.operators.B={ffn: mlp}"});
  EXPECT_EQ(diff.dead, Paths{"model.operators.B"});
  EXPECT_EQ(diff.effects, Paths{});
}

TEST_F(ConfigDiffs, SettingsThatActAreNotCalledDead) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      {"model.operators.A.mixer.num_heads=4", {}},
      {"model.operators.A.mixer.scale=0.3", {}},
      {"model.operators.A.mixer.qk_norm.over=all_heads", {"model.operators.A.sites.q=rms_norm"}},
      {"model.operators.A.mixer.always_see_prefix=true", {"model.operators.A.mixer.window=8"}},
      {"model.norm=layer_norm", {}},
      {"model.embedding_factor=sqrt_d_model", {}},
      {"weights.parametrization.per=matrix", {"weights.parametrization=weight_norm"}},
      {"weights.output_init_factor=0.5", {}},
      {"optim.schedule={type: cosine}", {}},
      {"train.duration=5 steps", {}}};
  for (const auto& [change, shared] : cases) {
    const auto diff = of({change}, shared);
    EXPECT_EQ(diff.dead, Paths{}) << change;
    EXPECT_FALSE(diff.effects.empty()) << change;
  }
}

TEST_F(ConfigDiffs, DataAndLoopActOutsideTheModel) {
  const auto diff = of({"data.validation.fraction=0.2", "train.on_nonfinite=stop", "log.every=3 steps"});
  EXPECT_EQ(diff.outside, (Paths{"data.validation.fraction", "train.on_nonfinite"}));
  EXPECT_EQ(diff.dead, Paths{"log.every"});
  EXPECT_EQ(diff.effects, Paths{});
}

/// Each alone does nothing in the one config, but not in the other.
TEST_F(ConfigDiffs, AValueThatActsInOneOfBothIsNotDead) {
  const auto diff = of({"model.operators.A.mixer.always_see_prefix=true", "model.operators.A.mixer.window=8"});
  EXPECT_EQ(diff.dead, Paths{});
  EXPECT_FALSE(diff.effects.empty());
}

}  // namespace
}  // namespace ingot
