#include "train/growth.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/text.h"
#include "device/numerics.h"
#include "eval/batch_tensors.h"
#include "support/temp_dir.h"
#include "support/weights.h"
#include "train/families.h"
#include "train/samples.h"

namespace ingot {
namespace {

using namespace testing;

/// Weights of sub-layers: m a mixer, a one with the same matrix and no gain, f an ffn.
TensorShapes model(const std::string& layers, std::int64_t width = 8) {
  TensorShapes out{{"embedding.weight", {16, width}}};
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto name = [&](const char* rest) { return cat("layers.", i, ".", rest); };
    if (layers[i] == 'f') {
      out[name("ffn.up.weight")] = {4 * width, width};
    } else {
      out[name("mixer.q.weight")] = {width, width};
      if (layers[i] == 'm') out[name("mixer.gain")] = {width};
    }
  }
  return out;
}

std::string sources(ExpandRule rule, const std::string& there, const std::string& here) {
  return sources_text(layer_sources(rule, model(there), model(here), {}));
}

std::string refusal(ExpandRule rule, const TensorShapes& there, const TensorShapes& here) {
  return message_of<ConfigError>([&] { layer_sources(rule, there, here, Location{"a.yaml", 3, 7}); });
}

TEST(LayerSources, StackRepeatsTheWhole) {
  EXPECT_EQ(sources(ExpandRule::kStack, "mfaf", "mfafmfaf"), "0, 1, 2, 3, 0', 1', 2', 3'");
  EXPECT_EQ(sources(ExpandRule::kStack, "mfaf", "mfafmf"), "0, 1, 2, 3, 0', 1'");
}

TEST(LayerSources, InterleaveRepeatsTheSmallestUnitThatFits) {
  EXPECT_EQ(sources(ExpandRule::kInterleave, "ff", "ffffff"), "0, 0', 0', 1, 1', 1'");
  EXPECT_EQ(sources(ExpandRule::kInterleave, "mfmf", "mfmfmfmf"), "0, 1, 0', 1', 2, 3, 2', 3'");
  // m and a differ in a weight that the other has beyond its own: neither may take the other's place.
  EXPECT_EQ(sources(ExpandRule::kInterleave, "mfaf", "mfafmfaf"), "0, 1, 2, 3, 0', 1', 2', 3'");
  EXPECT_EQ(sources(ExpandRule::kInterleave, "mafaff", "mmaaffaaffff").substr(0, 8), "0, 0', 1");
}

TEST(LayerSources, LinearLiesBetweenNeighbours) {
  EXPECT_EQ(sources(ExpandRule::kLinear, "ff", "ffff"), "0, 0.667 0 + 0.333 1, 0.333 0 + 0.667 1, 1");
  EXPECT_EQ(sources(ExpandRule::kLinear, "mfmf", "mfmfmf"), "0, 1, 0.5 0 + 0.5 2, 0.5 1 + 0.5 3, 2, 3");
}

TEST(LayerSources, OtherWidthsAndDepthsAreRefusedInPlace) {
  EXPECT_TRUE(has(refusal(ExpandRule::kStack, model("mf", 8), model("mfmf", 16)), "a.yaml:3:7",
                  "'embedding.weight' is 16x8 there, 16x16 here", "differs in depth alone"));
  EXPECT_TRUE(has(refusal(ExpandRule::kStack, model("mfmf"), model("mfmf")), "has 4 sub-layers and this model 4"));
  EXPECT_TRUE(has(refusal(ExpandRule::kStack, model(""), model("mf")), "has 0 sub-layers"));
  EXPECT_TRUE(has(refusal(ExpandRule::kInterleave, model("mf"), model("mfaf")),
                  "sub-layer 2 would take the weights of 0, but 'layers.*.mixer.gain' is unknown here"));
  auto wider = model("mfmf");
  wider["layers.3.ffn.up.weight"] = {40, 8};
  EXPECT_TRUE(has(refusal(ExpandRule::kStack, model("mf"), wider),
                  "sub-layer 3 would take the weights of 1, but 'layers.*.ffn.up.weight' is 32x8 there, 40x8 here"));
}

TEST(LayerSources, WhatIsNoWeightIsPassedOver) {
  auto there = model("mf");
  there["layers.0.mixer.q.weight@initial_norm.norm"] = {8};
  there["layers.0.input_norm.mean_square"] = {8};
  EXPECT_EQ(sources_text(layer_sources(ExpandRule::kStack, there, model("mfmf"), {})), "0, 1, 0', 1'");
}

constexpr std::int64_t kVocab = 50;

/// A checkpoint of `DFMF` and a model of twice the depth that begins with it.
class GrownModel : public ::testing::Test {
 protected:
  TrainSetup setup_of(const std::vector<std::string>& overrides) const {
    return allocated_setup(tiny_config(families, overrides), families, kVocab);
  }
  void save(const TrainSetup& setup) {
    CheckpointState state;
    state.model = setup.store->state();
    state.optimizer = setup.optimizer->state();
    for (const auto& moment : state.optimizer) {
      moment.tensor.copy_(random_normal(moment.tensor.sizes(), std::hash<std::string>()(moment.name)));
    }
    checkpoint = save_checkpoint(folder.path(), state, {ExistingCheckpoint::kReplace});
  }
  TrainSetup grown(const std::string& expand, std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"model.layers=DFMF DFMF", "run.seed=2",
                               cat("train.start_from={path: ", folder.path().string(), ", expand: ", expand, "}")});
    auto setup = setup_of(more);
    const Growth growth(setup, stored_shapes(checkpoint));
    const auto weights = growth.request(setup.store->state()), moments = growth.request(setup.optimizer->state());
    load_checkpoint(checkpoint, LoadWhat::kAll, weights.tensors, moments.tensors);
    weights.finish();
    moments.finish();
    growth.zero_outputs(*setup.store);
    setup.store->materialise();
    return setup;
  }
  static at::Tensor hidden(const TrainSetup& setup) {
    const c10::NoGradGuard no_grad;
    return setup.model->forward(to_tensors(random_batch(2, 21, kVocab, 5), false).tokens, {}, true);
  }
  static at::Tensor weight(const TrainSetup& setup, const std::string& name) {
    return master_of(*setup.store, name).value;
  }

  Families families = make_families();
  TempDir folder;
  fs::path checkpoint;
  TrainSetup small = setup_of({"model.layers=DFMF"});
};

TEST_F(GrownModel, ComputesTheSameWhereCopiesEndInZeros) {
  save(small);
  const auto expected = hidden(small);
  EXPECT_TRUE(at::allclose(hidden(grown("{rule: stack, output: zero}")), expected, 1e-12, 1e-12));
  small = setup_of({"model.layers=DFDF"});
  save(small);
  const auto interleaved = grown("{rule: interleave, output: zero}", {"model.layers=DFDFDFDF"});
  EXPECT_TRUE(at::allclose(hidden(interleaved), hidden(small), 1e-12, 1e-12));
}

TEST_F(GrownModel, ComputesSomethingElseWhereTheyDoNot) {
  save(small);
  EXPECT_FALSE(at::allclose(hidden(grown("{rule: stack}")), hidden(small), 1e-3, 1e-3));
}

TEST_F(GrownModel, TakesWeightsAndMomentsOfTheSameSubLayer) {
  save(small);
  const auto stacked = grown("{rule: stack}");
  for (const int depth : {2, 6}) {
    EXPECT_TRUE(
        weight(stacked, cat("layers.", depth, ".mixer.x.weight")).equal(weight(small, "layers.2.mixer.x.weight")));
  }
  EXPECT_TRUE(weight(stacked, "embedding.weight").equal(weight(small, "embedding.weight")));
  const auto moment = [](const TrainSetup& setup, const std::string& name) {
    for (const auto& state : setup.optimizer->state()) {
      if (state.name.ends_with(name)) return state.tensor;
    }
    return at::Tensor();
  };
  EXPECT_TRUE(moment(stacked, "/layers.7.ffn.up.weight").equal(moment(small, "/layers.3.ffn.up.weight")));
}

TEST_F(GrownModel, MixesWeightsOfNeighbours) {
  small = setup_of({"model.layers=DFDF"});
  save(small);
  const auto mixed = grown("{rule: linear}", {"model.layers=DFDFDF"});
  const auto from = [&](int depth) { return weight(small, cat("layers.", depth, ".ffn.up.weight")); };
  EXPECT_TRUE(at::allclose(weight(mixed, "layers.3.ffn.up.weight"), 0.5 * (from(1) + from(3)), 0, 1e-15));
  EXPECT_TRUE(weight(mixed, "layers.5.ffn.up.weight").equal(from(3)));
}

TEST_F(GrownModel, ZerosAreRefusedWhereTheyCannotStay) {
  save(small);
  const auto message = [&](const std::string& weights) {
    return message_of<ConfigError>([&] { grown("{rule: stack, output: zero}", {weights}); });
  };
  EXPECT_TRUE(has(message("weights.constraints=[unit_norm]"),
                  "train.start_from.expand.output: zero does not go with unit_norm on 'layers.4.mixer.o.weight'"));
  small = setup_of({"model.layers=DFMF", "weights.parametrization=weight_norm"});
  save(small);
  EXPECT_TRUE(has(message("weights.parametrization=weight_norm"), "does not go with weight_norm on"));
}

}  // namespace
}  // namespace ingot
