// Trained models in another form: the same logits, fewer parameters.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "cli/program.h"
#include "support/tolerance.h"

namespace ingot {
namespace {

using namespace testing;

/// A few steps are enough for gains and biases to leave their start values.
class Convert : public Program {
 protected:
  /// Trains configs/test/tiny.yaml with these changes of its model to runs/tiny.
  void train(const std::string& model) {
    write_raw(folder / "model.yaml", "extends: " + tiny() + "\nmodel: " + model + "\n");
    const auto result = ingot({"train", "model.yaml", "train.duration=6 steps", "evaluation.sample_tokens=8"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
  }

  ProcessResult convert(const std::string& form, const std::string& out) const {
    return ingot({"convert", "runs/tiny", "--to", form, "--out", out, "--json"});
  }

  at::Tensor logits(const std::string& run) const {
    std::string ids = "12";
    for (int i = 1; i < 24; ++i) ids.append(",").append(std::to_string((i * 37) % 250));
    const auto file = (folder / (run.substr(run.find('/') + 1) + ".logits")).string();
    const auto result = ingot({"eval", run, "--ids", ids, "--logits", file});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return SafetensorsFile(file).tensor("logits").clone();
  }

  at::Tensor weight(const std::string& run, const std::string& name) const {
    return SafetensorsFile(resolve_checkpoint(folder / run) / "model-00001.safetensors").tensor(name).clone();
  }

  /// Converts and expects the same logits, up to the roundings of eight sub-layers and the head in fp32.
  nlohmann::json expect_equal(const std::string& form) {
    const auto result = convert(form, "runs/" + form);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    if (result.exit_code != 0) return {};
    EXPECT_TRUE(close(logits("runs/" + form), logits("runs/tiny"), Tolerance::of(at::kFloat).reduction(64).chain(40)));
    return nlohmann::json::parse(result.out);
  }
};

const char* const kHybrid = "{norm: {type: layer_norm}, position: learned}";
/// Sizes of delta_net and attention can be set apart from d_model, those of mamba2 cannot.
const char* const kNarrow =
    "{norm: {type: layer_norm, bias: false}, position: learned, layers: DFAF, "
    "operators: {A: {mixer: {num_kv_heads: 1}, sites: {q: rms_norm, k: layer_norm}}, "
    "F: {ffn: {type: mlp, width: 2x, bias: true}}}}";

TEST_F(Convert, GainsBecomePartOfTheProductsThatFollow) {
  train("{norm: rms_norm}");
  expect_equal("folded");
  const auto before = weight("runs/tiny", "layers.0.input_norm.gain");
  EXPECT_GT((before - 1).abs().max().item<float>(), 1e-3) << "training has moved the gain";
  for (const char* name : {"layers.0.input_norm.gain", "layers.7.input_norm.gain", "final_norm.gain"}) {
    EXPECT_EQ((weight("runs/folded", name) - 1).abs().max().item<float>(), 0) << name;
  }
}

TEST_F(Convert, BiasesBecomePartOfTheProductsBiases) {
  train(
      "{norm: {type: layer_norm}, layers: FF, operators: {F: {ffn: {type: mlp, width: 2x, bias: true}}}, "
      "sites: {final: {type: layer_norm, bias: false}}}");
  expect_equal("folded");
  EXPECT_GT(weight("runs/tiny", "layers.1.input_norm.bias").abs().max().item<float>(), 1e-3);
  EXPECT_EQ(weight("runs/folded", "layers.1.input_norm.bias").abs().max().item<float>(), 0);
}

TEST_F(Convert, PreLayerNormBecomesPreRmsNorm) {
  train(kHybrid);
  expect_equal("rms_norm");
  const auto config = read_file(folder / "runs/rms_norm/config.yaml");
  EXPECT_TRUE(has(config, "rms_norm"));
  EXPECT_LT(weight("runs/rms_norm", "embedding.weight").mean(1).abs().max().item<float>(), 1e-7);
  EXPECT_GT(weight("runs/tiny", "embedding.weight").mean(1).abs().max().item<float>(), 1e-4);
}

TEST_F(Convert, PreRmsNormBecomesPreCrmsNorm) {
  train(kNarrow);
  expect_equal("rms_norm");
  const auto sizes = expect_equal("crms_norm");
  EXPECT_LT(sizes["parameters_after"], sizes["parameters_before"].get<std::int64_t>() + 257 * 31)
      << "a channel less everywhere, and a head of its own";
  EXPECT_EQ(weight("runs/crms_norm", "embedding.weight").size(1), 31);
  const auto sample = ingot({"sample", "runs/crms_norm", "--prompt", "At ", "--tokens", "3"});
  EXPECT_EQ(sample.exit_code, 0) << sample.err;
}

/// The converted run is a start for training like any other.
TEST_F(Convert, TrainingGoesOnFromTheConvertedModel) {
  train(kHybrid);
  expect_equal("rms_norm");
  const auto result = ingot({"train", "runs/rms_norm/config.yaml", "run.dir=runs/more",
                             "train.start_from.path=runs/rms_norm", "train.start_from.load=weights"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

TEST_F(Convert, SaysWhyThereIsNoSuchForm) {
  train(kHybrid);
  const auto narrow = convert("crms_norm", "runs/out");
  EXPECT_EQ(narrow.exit_code, 2);
  EXPECT_TRUE(has(narrow.err, "layers.0.input_norm.bias", "which has no bias")) << narrow.err;
  EXPECT_FALSE(fs::exists(folder / "runs/out"));
  fs::create_directories(folder / "taken");
  write_raw(folder / "taken/file", "");
  EXPECT_TRUE(has(convert("folded", "taken").err, "taken", "expected a new or empty directory"));
  EXPECT_EQ(ingot({"convert", "runs/tiny", "--to", "batch_norm", "--out", "x"}).exit_code, 2);
  EXPECT_EQ(ingot({"convert", "nowhere", "--to", "folded", "--out", "x"}).exit_code, 4);
}

TEST_F(Convert, PlacementsThatActOnTheStreamHaveNoRmsForm) {
  train("{norm: layer_norm, placement: sandwich}");
  const auto result = convert("rms_norm", "runs/out");
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_TRUE(has(result.err, "layers.0.output_norm", "expected pre-norm alone")) << result.err;
}

}  // namespace
}  // namespace ingot
