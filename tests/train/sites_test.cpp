// Norms at sites: what a config may ask for, and what a model makes of it.

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/text.h"
#include "config/document.h"
#include "recipe/load.h"
#include "recipe/placement_bundle.h"
#include "support/tolerance.h"
#include "support/weights.h"
#include "train/families.h"
#include "train/samples.h"
#include "train/setup_warnings.h"
#include "train/step.h"

namespace ingot {
namespace {

using namespace testing;

constexpr std::int64_t kVocab = 50;

class Sites : public ::testing::Test {
 protected:
  /// The tiny config with these overrides; its error message, or "" if there is none.
  std::string error_of(const std::vector<std::string>& overrides) {
    try {
      tiny_config(families, overrides);
      return "";
    } catch (const ConfigError& error) {
      return error.what();
    }
  }
  Families families = make_families();
};

TEST_F(Sites, ANormAtASiteThatTheOperatorLacksIsAnError) {
  const auto expect = [&](const std::string& override, const std::string& message) {
    const auto error = error_of({override});
    EXPECT_NE(error.find(message), std::string::npos) << override << "\n" << error;
  };
  expect("model.operators.D.sites.q=rms_norm",
         "delta_net has no site 'q', expected one of input, output, stream, head");
  expect("model.operators.D.sites.v=rms_norm", "delta_net has no site 'v'");
  expect("model.operators.M.sites.q=rms_norm", "mamba2 has no site 'q'");
  expect("model.operators.F.sites.head=rms_norm",
         "swiglu has no site 'head', expected one of input, output, stream, hidden");
  expect("model.operators.A.sites.hidden=rms_norm", "attention has no site 'hidden'");
  expect("model.operators.A.sites.hidden=none", "attention has no site 'hidden'");
  expect("model.operators.A.sites.final=rms_norm", "unknown site 'final'");
  expect("model.operators.A.sites.hed=rms_norm", "did you mean 'head'?");
  expect("model.sites.q=rms_norm", "unknown site 'q', expected one of embedding, final");
}

TEST_F(Sites, TheErrorHasItsPlace) {
  const std::string text =
      "extends: " + source_path("configs/test/tiny.yaml") +
      "\nmodel:\n  operators:\n    D: {sites: {head: rms_norm}}\n    F: {sites: {head: rms_norm}}\n";
  try {
    read_run_config(Document::parse(text, "mine.yaml"), families);
    FAIL() << "no error";
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("mine.yaml:5:23: model.operators.F.sites.head: swiglu"), std::string::npos)
        << error.what();
  }
}

TEST_F(Sites, OverridesAreForOperatorsThatHaveTheSite) {
  const auto of = [&](const std::string& change) { return error_of({"model.overrides=[" + change + "]"}); };
  EXPECT_NE(of("{operator: D, sites: {q: rms_norm}}").find("delta_net has input, output, stream, head"),
            std::string::npos);
  // Every operator that is named, and not only one of them.
  EXPECT_NE(of("{operator: [A, D], sites: {q: rms_norm}}").find("no site 'q' here: delta_net"), std::string::npos);
  EXPECT_NE(of("{depth: 0..3, sites: {q: rms_norm}}").find("no site 'q' here"), std::string::npos);
  EXPECT_NE(of("{operator: A, depth: 0..3, sites: {q: rms_norm}}").find("selects no sub-layer"), std::string::npos);
  EXPECT_EQ(of("{sites: {q: rms_norm}}"), "");
  EXPECT_EQ(of("{depth: 0..4, sites: {head: rms_norm}}"), "");
  EXPECT_EQ(of("{operator: [A, D, M], sites: {head: rms_norm}}"), "");
}

TEST_F(Sites, HeadHasAGainInEveryMixer) {
  const auto config = tiny_config(families, {"model.overrides=[{operator: [D, M, A], sites: {head: rms_norm}}]"});
  const auto setup = allocated_setup(config, families, kVocab);
  // DFMF AFMF: heads of 16.
  for (const int depth : {0, 2, 4, 6}) {
    EXPECT_EQ(master_of(*setup.store, cat("layers.", depth, ".mixer.head_norm.gain")).numel, 16) << depth;
  }
  const auto layers = describe_layers(setup.model->resolved());
  EXPECT_NE(layers.at(1).second.find("head rms_norm"), std::string::npos) << layers.at(1).second;
  EXPECT_EQ(layers.at(2).second.find("head"), std::string::npos) << layers.at(2).second;
}

TEST_F(Sites, HeadDecodesAsItTrains) {
  const auto config =
      tiny_config(families, {"model.overrides=[{operator: [D, M, A], sites: {head: {type: layer_norm}}}]"});
  auto setup = allocated_setup(config, families, kVocab);
  TrainStep step(setup);
  step.accumulate(random_batch(2, config.data.seq_len, kVocab, 3));
  EXPECT_TRUE(step.finish(1).applied);
  const at::NoGradGuard no_grad;
  const auto tokens = (at::arange(18, at::kLong) * 7 % kVocab).view({2, 9});
  const auto whole = setup.model->forward(tokens, {}, false);
  auto state = setup.model->begin_decode(2);
  for (std::int64_t t = 0; t < 9; ++t) {
    const auto hidden = setup.model->step(tokens.narrow(1, t, 1), state);
    EXPECT_TRUE(close(hidden, whole.narrow(1, t, 1), Tolerance::of(at::kDouble).reduction(1000).chain(40))) << t;
  }
}

TEST_F(Sites, APlacementSaysWhichNormsItGoesWithout) {
  const auto warnings = [&](const std::string& layers) {
    const auto config =
        tiny_config(families, {"model.placement={type: ngpt, bundle: sites_only}", "model.layers=" + layers});
    return join(setup_warnings(allocated_setup(config, families, kVocab)), "\n");
  };
  EXPECT_EQ(warnings("AFAF"), "");
  EXPECT_NE(warnings("AFMF").find("norms of q and k, but mamba2 (sub-layer 2) lacks these sites"), std::string::npos);
}

TEST_F(Sites, AValueResidualThatNobodyReadsIsNamed) {
  const auto warnings = [&](const std::string& layers) {
    const auto config = tiny_config(families, {"model.operators.A.mixer.value_residual=0.5", "model.layers=" + layers});
    return join(setup_warnings(allocated_setup(config, families, kVocab)), "\n");
  };
  EXPECT_EQ(warnings("AFAF"), "");
  EXPECT_NE(warnings("DFAF").find("value_residual: without effect"), std::string::npos);
}

}  // namespace
}  // namespace ingot
