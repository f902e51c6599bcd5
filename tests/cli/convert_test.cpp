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
  void train(const std::string& model, const std::vector<std::string>& more = {}) {
    write_raw(folder / "model.yaml", "extends: " + tiny() + "\nmodel: " + model + "\n");
    std::vector<std::string> command{"train", "model.yaml", "train.duration=6 steps", "evaluation.sample_tokens=8"};
    command.insert(command.end(), more.begin(), more.end());
    const auto result = ingot(command);
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
    "{norm: {type: layer_norm, bias: false}, position: learned, layers: DFAF, embedding_factor: sqrt_d_model, "
    "operators: {A: {mixer: {num_kv_heads: 1}, sites: {q: rms_norm, k: layer_norm, head: layer_norm}}, "
    "D: {sites: {head: rms_norm}}, "
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

TEST_F(Convert, HeldOutDataIsThatOfTheTrainedRun) {
  train("{norm: rms_norm}");
  expect_equal("folded");
  const auto loss = [&](const std::string& run) {
    const auto result = ingot({"eval", run, "--held-out", "--json"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.exit_code == 0 ? nlohmann::json::parse(result.out).at("loss").get<double>() : 0;
  };
  EXPECT_NEAR(loss("runs/folded"), loss("runs/tiny"), 1e-6);
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

/// Norms with running statistics keep them.
TEST_F(Convert, GainsOfRunningNormsFoldToo) {
  train(
      "{norm: {type: unified_norm, allow_leak: true, warmup: 2}, sites: {final: {type: layer_norm, bias: false}}, "
      "operators: {F: {ffn: {type: mlp, width: 2x, bias: true}, sites: {input: {type: unified_norm, allow_leak: true, "
      "warmup: 2}}}}, layers: FF}");
  expect_equal("folded");
}

const char* const kFrozen =
    "{norm: {type: frozen_norm, freeze: {at: 2, gap: 0.25}, merge: {at: 5}}, position: learned, "
    "sites: {final: {type: frozen_norm, of: rms_norm, freeze: {at: 4}, penalty: 0.1}}, "
    "operators: {D: {sites: {input: rms_norm}}}}";

TEST_F(Convert, FrozenNormsBecomePartOfTheProductsThatFollow) {
  train(kFrozen);
  EXPECT_NE(weight("runs/tiny", "layers.1.input_norm.std").item<float>(), 1);
  const auto sizes = expect_equal("norm_free");
  EXPECT_EQ(sizes["parameters_after"], sizes["parameters_before"].get<std::int64_t>() + (257 - 8) * 32)
      << "a head of its own, and no gains but those of D";
  const auto config = read_file(folder / "runs/norm_free/config.yaml");
  EXPECT_TRUE(has(config, "none"));
  EXPECT_FALSE(has(config, "frozen_norm"));
  const SafetensorsFile file(resolve_checkpoint(folder / "runs/norm_free") / "model-00001.safetensors");
  for (const auto& entry : file.entries()) EXPECT_EQ(entry.name.find("std"), std::string::npos) << entry.name;
}

TEST_F(Convert, BiasesOfFrozenNormsBecomeBiases) {
  train(
      "{norm: {type: frozen_norm, bias: true, freeze: {at: 3}}, layers: FF, placement: layernorm_scaling, "
      "operators: {F: {ffn: {type: mlp, width: 2x, bias: true}}}, normalise_head: true, "
      "sites: {final: {type: frozen_norm, freeze: {at: 3}}}}");
  expect_equal("norm_free");
}

TEST_F(Convert, NormsThatAreNotLinearStayNorms) {
  train("{norm: rms_norm}");
  EXPECT_TRUE(has(convert("norm_free", "runs/out").err, "expected frozen_norm"));
  train("{norm: {type: frozen_norm, freeze: {at: 2}, merge: {at: 50}}}", {"run.dir=runs/early"});
  const auto early = ingot({"convert", "runs/early", "--to", "norm_free", "--out", "runs/out"});
  EXPECT_EQ(early.exit_code, 2);
  EXPECT_TRUE(has(early.err, "final_norm", "is linear after 50 updates", "merged", "has seen 6")) << early.err;
  train("{norm: {type: frozen_norm, freeze: {at: 2}}, placement: sandwich}", {"run.dir=runs/sandwich"});
  const auto sandwich = ingot({"convert", "runs/sandwich", "--to", "norm_free", "--out", "runs/out"});
  EXPECT_EQ(sandwich.exit_code, 2);
  EXPECT_TRUE(has(sandwich.err, "layers.0.output_norm", "not before a product")) << sandwich.err;
  EXPECT_FALSE(fs::exists(folder / "runs/out"));
}

/// A run of another norm is where the removal starts; a resume in the midst of it is exact.
TEST_F(Convert, NormsAreRemovedFromATrainedModel) {
  train("{norm: {type: layer_norm, bias: false}}");
  const std::string start = "train.start_from.path=runs/tiny";
  const std::string frozen = "{norm: {type: frozen_norm, freeze: {at: 2, gap: 0.25}, merge: {at: 5}}}";
  train(frozen, {start, "run.dir=runs/whole"});
  train(frozen, {start, "run.dir=runs/cut", "checkpoint.every=3 steps", "checkpoint.keep_last=9"});
  fs::remove_all(checkpoint_path(folder / "runs/cut", 6));
  train(frozen, {start, "run.dir=runs/cut", "checkpoint.every=3 steps", "checkpoint.keep_last=9"});
  const auto whole = checkpoint_path(folder / "runs/whole", 6), cut = checkpoint_path(folder / "runs/cut", 6);
  for (const char* name : {"model-00001.safetensors", "optimizer-00001.safetensors"}) {
    EXPECT_EQ(read_file(cut / name), read_file(whole / name)) << name;
  }
  EXPECT_TRUE(has(read_file(folder / "runs/cut/log.txt"), "running statistics", "start anew"));
  EXPECT_TRUE(has(read_file(folder / "runs/cut/log.txt"), "resumed from", "at step 3"));
  const auto other =
      ingot({"train", "model.yaml", "model.norm={type: layer_norm, bias: true}", start, "run.dir=runs/b"});
  EXPECT_EQ(other.exit_code, 4) << "weights must be there";
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
