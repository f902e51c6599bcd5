// Constraints and decay that cannot go together are refused or named, at their place in the config.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "config/document.h"
#include "recipe/load.h"
#include "train/families.h"
#include "train/make_setup.h"
#include "train/samples.h"
#include "train/setup_warnings.h"

namespace ingot {
namespace {

using namespace testing;

constexpr const char* kModel = R"(run: {name: checks}
data:
  train: {paths: [tiny.txt]}
  tokenizer: bytes
  seq_len: 16
model:
  d_model: 16
  layers: AF
  operators:
    A: {mixer: {type: attention, num_heads: 2}}
    F: {ffn: {type: swiglu, width: 2x}}
train: {device: cpu, duration: 10 steps, global_batch: 2 sequences, precision: fp32, threads: 1}
)";
constexpr const char* kAdam = "optim: {optimizer: {type: adamw, lr: 0.01}}\n";

class ConstraintChecks : public ::testing::Test {
 protected:
  /// kModel takes the lines 1 to 12 of the file my.yaml, `rest` follows.
  TrainSetup setup_of(const std::string& rest) {
    const auto config = read_run_config(Document::parse(cat(kModel, rest), "my.yaml"), families);
    return allocated_setup(config, families, 257);
  }
  std::string error_of(const std::string& weights) {
    try {
      setup_of(cat(kAdam, "weights:\n", weights));
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  }
  Families families = make_families();
};

TEST_F(ConstraintChecks, TwoThatSetTheScaleAreRefused) {
  const auto error = error_of("  constraints:\n    - unit_norm\n    - hyperball\n");
  EXPECT_EQ(error.find("my.yaml:17:7: weights.constraints.1: hyperball and unit_norm both set the scale of 'layers.0."),
            0u)
      << error;
  EXPECT_EQ(error.find('\n'), std::string::npos) << error;  // once, not for every parameter
  const auto own = error_of("  overrides:\n    - {match: {part: q}, constraints: [lawn, normalize_and_project]}\n");
  EXPECT_EQ(own.find("my.yaml:16:46: weights.overrides.0.constraints.1: normalize_and_project and lawn both"), 0u)
      << own;
}

TEST_F(ConstraintChecks, OneThatUndoesAnotherIsRefused) {
  EXPECT_NE(
      error_of("  constraints: [unit_norm, spectral_hard_cap]\n").find("spectral_hard_cap and unit_norm fight on"),
      std::string::npos);
  EXPECT_NE(error_of("  constraints: [hyperball, radial_brake]\n").find("radial_brake and hyperball fight on"),
            std::string::npos);
}

TEST_F(ConstraintChecks, ThoseThatGoTogetherOrDoNotMeetAreAccepted) {
  EXPECT_EQ(error_of("  constraints: [relative_update_floor, radial_brake]\n"), "");
  EXPECT_EQ(error_of("  constraints:\n    - {type: unit_norm, match: {role: [embedding, head]}}\n    - hyperball\n"),
            "");
}

TEST_F(ConstraintChecks, RulesForUpdatesNeedPlainWeights) {
  const auto error = error_of("  parametrization: weight_norm\n  constraints: [hyperball]\n");
  EXPECT_EQ(error.find("my.yaml:16:17: weights.constraints.0: hyperball changes the updates of 'layers.0."), 0u)
      << error;
  EXPECT_NE(error.find("its parametrization weight_norm"), std::string::npos) << error;
  EXPECT_EQ(error_of("  overrides: [{match: {part: q}, parametrization: weight_norm}]\n"
                     "  constraints: [{type: hyperball, match: {part: [k, v]}}]\n"),
            "");
}

TEST_F(ConstraintChecks, AMatchThatReachesNothingIsRefused) {
  const auto error = error_of("  constraints: [{type: hyperball, match: {role: embedding}}]\n");
  EXPECT_NE(error.find("weights.constraints.0: hyperball applies to no parameter"), std::string::npos) << error;
}

TEST_F(ConstraintChecks, DecayOfWeightsWhoseScaleIsFixedIsNamedAtItsPlace) {
  const auto warnings = [&](const std::string& optim, const std::string& constraint) {
    return join(setup_warnings(setup_of(cat(optim, "weights: {constraints: [", constraint, "]}\n"))), "\n");
  };
  const std::string decayed = "optim: {optimizer: {type: adamw, lr: 0.01, weight_decay: 0.1}}\n";
  const std::string in_group =
      "optim:\n  optimizer: {type: adamw, lr: 0.01}\n  groups: [{name: q, match: {part: q}, weight_decay: 0.1}]\n";
  for (const char* constraint : {"hyperball", "lawn", "normalize_and_project", "spectral_sphere", "unit_norm"}) {
    const auto text = warnings(decayed, constraint);
    EXPECT_EQ(text.find("my.yaml:13:58: optim.optimizer.weight_decay: weight decay 0.1 on '"), 0u) << text;
    EXPECT_NE(text.find(cat("its constraint ", constraint, " puts the scale back")), std::string::npos) << text;
  }
  const auto text = warnings(in_group, "hyperball");
  EXPECT_EQ(text.find("my.yaml:15:54: optim.groups.0.weight_decay: weight decay 0.1 on 'layers.0.mixer.q.weight'"), 0u)
      << text;
  for (const char* constraint : {"radial_brake", "relative_update_floor", "rpgd", "spectral_normalize"}) {
    EXPECT_EQ(warnings(decayed, constraint), "") << constraint;
  }
  EXPECT_EQ(warnings(kAdam, "hyperball"), "");
  EXPECT_EQ(warnings("optim: {optimizer: adamw, decay: cautious}\n", "hyperball"),
            "my.yaml:13:34: optim.decay: a rule of decay, but no parameter has a weight decay");
}

}  // namespace
}  // namespace ingot
