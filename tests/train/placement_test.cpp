// What a placement brings along, what it counts, and the warnings about settings that do nothing together.

#include <gtest/gtest.h>

#include <cmath>

#include "base/text.h"
#include "config/document.h"
#include "config/dump.h"
#include "registry/variant_text.h"
#include "support/weights.h"
#include "train/placement_bundle.h"
#include "train/samples.h"

namespace ingot {
namespace {

using namespace testing;

constexpr std::int64_t kVocab = 50;

class Bundles : public ::testing::Test {
 protected:
  RunConfig config(const std::vector<std::string>& overrides) { return tiny_config(families, overrides); }
  static const OperatorConfig& op(const RunConfig& config, const std::string& name) {
    for (const auto& [key, value] : config.model.operators) {
      if (key == name) return value;
    }
    throw std::out_of_range(name);
  }
  Families families = make_families();
};

TEST_F(Bundles, APublishedBundleFillsWhatTheConfigLeavesOpen) {
  EXPECT_EQ(config({"model.placement=deepnorm"}).weights.init.name(), "deepnorm");
  EXPECT_EQ(config({"model.placement=b2t"}).model.residual->name(), "b2t");
  const auto ngpt = config({"model.placement=ngpt"});
  EXPECT_EQ(ngpt.model.residual->name(), "ngpt");
  EXPECT_EQ(ngpt.weights.constraints.at(0).name(), "unit_norm");
  EXPECT_TRUE(ngpt.model.logit_scale);
  EXPECT_EQ(field_values(*op(ngpt, "A").mixer).at("score.type"), "ngpt");
  EXPECT_EQ(field_values(*op(ngpt, "F").ffn).at("hidden_scale"), "true");
  EXPECT_EQ(field_values(*op(config({"model.placement=normformer"}), "A").mixer).at("head_scale"), "true");
  EXPECT_FALSE(config({"model.placement=pre"}).model.residual.has_value());
}

TEST_F(Bundles, TheConfigComesFirst) {
  EXPECT_EQ(config({"model.placement=deepnorm", "weights.init=gpt2"}).weights.init.name(), "gpt2");
  EXPECT_EQ(config({"model.placement=b2t", "model.residual=rezero"}).model.residual->name(), "rezero");
  EXPECT_TRUE(config({"model.placement=ngpt", "weights.constraints=[]"}).weights.constraints.empty());
  const auto own = config({"model.placement=ngpt", "model.logit_scale=false", "model.operators.A.mixer.score=dot",
                           "model.operators.F.ffn.hidden_scale=false"});
  EXPECT_FALSE(own.model.logit_scale);
  EXPECT_EQ(field_values(*op(own, "A").mixer).at("score"), "dot");
  EXPECT_EQ(field_values(*op(own, "F").ffn).at("hidden_scale"), "false");
  const auto sites = config({"model.placement={type: deepnorm, bundle: sites_only}"});
  EXPECT_EQ(sites.weights.init.name(), "normal");
}

TEST_F(Bundles, TheResolvedConfigNamesThemAndReproducesItself) {
  const auto first = dump_config(config({"model.placement=ngpt"}));
  EXPECT_NE(first.find("unit_norm"), std::string::npos) << first;
  const auto again = read_run_config(Document::parse(first, "resolved"), families);
  EXPECT_EQ(dump_config(again), first);
}

/// Gains of the model by width: d_model, head or hidden.
std::map<std::int64_t, int> count_gains(const std::string& placement, const Families& families) {
  // 3 blocks without norms of their own: d_model 32, heads of 16, an ffn of 64.
  const auto config = tiny_config(families, {"model.layers=3x(AF)", cat("model.placement=", placement)});
  const auto experiment = allocated_experiment(config, families, kVocab);
  std::map<std::int64_t, int> counts;
  for (const auto* info : experiment.store->parameters()) {
    if (info->name.ends_with("_norm.gain")) ++counts[info->numel()];
  }
  return counts;
}

TEST_F(Bundles, PlacementsHaveTheirPublishedNumberOfNorms) {
  constexpr int kN = 3;
  using Counts = std::map<std::int64_t, int>;
  const auto of = [&](const std::string& placement) { return count_gains(placement, families); };
  EXPECT_EQ(of("pre"), (Counts{{32, 2 * kN + 1}}));
  EXPECT_EQ(of("peri"), (Counts{{32, 4 * kN + 2}}));
  EXPECT_EQ(of("sandwich"), (Counts{{32, 4 * kN + 1}}));
  EXPECT_EQ(of("depth_scaled_sandwich"), (Counts{{32, 4 * kN + 1}}));
  EXPECT_EQ(of("output_only"), (Counts{{32, 2 * kN + 1}}));
  EXPECT_EQ(of("layernorm_scaling"), (Counts{{32, 2 * kN + 1}}));
  EXPECT_EQ(of("mix_ln"), (Counts{{32, 2 * kN + 1}}));
  for (const char* post : {"post", "deepnorm", "b2t"}) EXPECT_EQ(of(post), (Counts{{32, 2 * kN}})) << post;
  EXPECT_EQ(of("residual_dual"), (Counts{{32, 2 * kN + 1}}));
  EXPECT_EQ(of("keel"), (Counts{{32, 4 * kN - 1}}));
  EXPECT_EQ(of("hybrid_norm"), (Counts{{32, kN + 1}, {16, 3 * kN}}));
  EXPECT_EQ(of("hybrid_norm_star"), (Counts{{32, kN + 2}, {16, 3 * kN}}));
  EXPECT_EQ(of("normformer"), (Counts{{32, 3 * kN + 1}, {64, kN}}));
  EXPECT_EQ(of("ngpt"), Counts{});
  EXPECT_EQ(of("{type: ngpt, bundle: sites_only}"), (Counts{{16, 2 * kN}}));
  EXPECT_EQ(of("none"), Counts{});
}

TEST_F(Bundles, OutputGainsStartAtTheDepthFactor) {
  // 12 blocks: 0.283 / sqrt(12), 0.432 / sqrt(12).
  const auto experiment =
      allocated_experiment(config({"model.placement=depth_scaled_sandwich", "model.layers=12x(AF)"}), families, kVocab);
  const auto start = [&](const std::string& name) {
    const auto& gain = master_of(*experiment.store, name).value;
    EXPECT_EQ(gain.min().item<double>(), gain.max().item<double>()) << name;
    return gain[0].item<double>();
  };
  EXPECT_NEAR(start("layers.4.output_norm.gain"), 0.283 / std::sqrt(12), 1e-12);
  EXPECT_NEAR(start("layers.5.output_norm.gain"), 0.432 / std::sqrt(12), 1e-12);
  EXPECT_EQ(start("layers.4.input_norm.gain"), 1);
  EXPECT_EQ(start("final_norm.gain"), 1);
}

TEST_F(Bundles, DeepnormScalesTheInitOfValuesOutputsAndTheFfn) {
  const auto experiment =
      allocated_experiment(config({"model.placement=deepnorm", "model.layers=12x(AF)"}), families, kVocab);
  const auto gain = [&](const std::string& part, double fans) {
    const auto& weight = master_of(*experiment.store, cat("layers.2.", part, ".weight")).value;
    return weight.std().item<double>() / std::sqrt(2 / fans);
  };
  // Five standard errors of a deviation over 512 values or more.
  constexpr double kError = 5 / 32.0;
  EXPECT_NEAR(gain("mixer.q", 64), 1, kError);
  EXPECT_NEAR(gain("mixer.v", 48) / 0.3195, 1, kError);
  EXPECT_NEAR(gain("mixer.o", 64) / 0.3195, 1, kError);
}

class Warnings : public Bundles {
 protected:
  /// The config's warnings in one text.
  std::string of(const std::vector<std::string>& overrides) {
    const auto experiment = allocated_experiment(config(overrides), families, kVocab);
    return join(config_warnings(experiment), "\n");
  }
};

TEST_F(Warnings, NameADepthScaledInitUnderAnOutputNorm) {
  EXPECT_EQ(of({"weights.init=gpt2"}), "");
  EXPECT_NE(of({"weights.init=gpt2", "model.placement=peri"}).find("rms_norm takes away the scale"), std::string::npos);
  EXPECT_EQ(of({"weights.init=normal", "model.placement=peri"}), "");
  EXPECT_EQ(of({"model.placement=depth_scaled_sandwich"}), "");
  EXPECT_EQ(of({"model.placement=deepnorm"}), "");
  EXPECT_NE(of({"weights.init=gpt2", "model.linear=sdd"}).find("sdd takes away the scale"), std::string::npos);
  EXPECT_NE(of({"weights.init=gpt2", "model.residual=ngpt"}).find("ngpt takes away the scale"), std::string::npos);
}

TEST_F(Warnings, NameADepthScaledInitUnderUnitNorm) {
  const auto text = of({"weights.init=gpt2", "weights.constraints=[{type: unit_norm}]"});
  EXPECT_NE(text.find("unit_norm sets the scale"), std::string::npos) << text;
}

TEST_F(Warnings, NameDecayOfScaleInvariantWeights) {
  const std::string decay = "optim.optimizer.weight_decay=0.1";
  EXPECT_EQ(of({decay}), "");
  const auto under_norm = of({decay, "model.placement=sandwich"});
  EXPECT_NE(under_norm.find("effective learning rate"), std::string::npos) << under_norm;
  const auto constrained = of({decay, "weights.constraints=[{type: unit_norm}]"});
  EXPECT_NE(constrained.find("unit_norm puts the scale back"), std::string::npos) << constrained;
  EXPECT_EQ(of({"model.placement=sandwich"}), "");
}

TEST_F(Warnings, NameANormWithoutTheGainThatTheDepthFactorNeeds) {
  const auto text = of({"model.placement=depth_scaled_sandwich", "model.norm=simple_rms_norm"});
  EXPECT_NE(text.find("has no gain"), std::string::npos) << text;
}

TEST_F(Warnings, NameAPatternThatIsNotMadeOfBlocks) {
  EXPECT_NE(of({"model.placement=keel", "model.layers=DMF"}).find("pairs"), std::string::npos);
  EXPECT_EQ(of({"model.placement=keel"}), "");
  EXPECT_EQ(of({"model.placement=pre", "model.layers=DMF"}), "");
}

TEST_F(Bundles, FactorsOfAPlacementNeedARuleThatHasThem) {
  EXPECT_THROW(
      allocated_experiment(config({"model.placement=deepnorm", "model.residual=hyper_connections"}), families, kVocab),
      ConfigError);
  EXPECT_NO_THROW(
      allocated_experiment(config({"model.placement=deepnorm", "model.residual=prores"}), families, kVocab));
}

}  // namespace
}  // namespace ingot
