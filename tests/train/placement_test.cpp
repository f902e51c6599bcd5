// What a placement brings along, what it counts, and the warnings about settings that do nothing together.

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/text.h"
#include "config/document.h"
#include "config/dump.h"
#include "recipe/load.h"
#include "recipe/placement_bundle.h"
#include "registry/variant_text.h"
#include "support/tolerance.h"
#include "support/weights.h"
#include "train/families.h"
#include "train/samples.h"
#include "train/setup_warnings.h"

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
  const auto b2t = config({"model.placement=b2t"});
  EXPECT_EQ(b2t.model.residual->name(), "b2t");
  EXPECT_EQ(b2t.weights.init.name(), "b2t");
  const auto ngpt = config({"model.placement=ngpt"});
  EXPECT_EQ(ngpt.model.residual->name(), "ngpt");
  EXPECT_EQ(ngpt.weights.constraints.at(0).name(), "unit_norm");
  EXPECT_TRUE(ngpt.model.logit_scale);
  EXPECT_FALSE(ngpt.model.tie_embeddings);
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

TEST_F(Bundles, NormsInitsAndResidualRulesBringWhatTheyArePublishedWith) {
  EXPECT_EQ(config({}).model.embedding_factor, EmbeddingFactor::kNone);
  EXPECT_EQ(config({"model.norm=dyt"}).model.embedding_factor, EmbeddingFactor::kLearned);
  EXPECT_EQ(config({"model.norm=derf"}).model.embedding_factor, EmbeddingFactor::kLearned);
  EXPECT_EQ(config({"weights.init=small_init"}).model.embedding_factor, EmbeddingFactor::kSqrtDModel);
  EXPECT_EQ(config({"model.norm=dyt", "model.embedding_factor=none"}).model.embedding_factor, EmbeddingFactor::kNone);
  // A norm of one site alone is not the model's.
  EXPECT_EQ(config({"model.operators.A.sites={input: dyt}"}).model.embedding_factor, EmbeddingFactor::kNone);
  EXPECT_EQ(config({"model.residual=hyper_connections"}).weights.output_init_factor, 0.5);
  EXPECT_EQ(config({"model.residual={type: hyper_connections, streams: 9}"}).weights.output_init_factor, 1.0 / 3);
  EXPECT_EQ(config({"model.residual=hyper_connections", "weights.output_init_factor=1"}).weights.output_init_factor, 1);
  const auto first = dump_config(config({"model.norm=dyt", "model.residual=hyper_connections"}));
  EXPECT_EQ(dump_config(read_run_config(Document::parse(first, "resolved"), families)), first);
}

TEST_F(Bundles, TheOutputFactorIsOfWhatWritesTheStreamAlone) {
  const auto plain = allocated_setup(config({}), families, kVocab);
  const auto half = allocated_setup(
      config({"weights.output_init_factor=0.5",
              "weights.overrides=[{match: {operator: M, part: out}, init: {type: normal, std: 0.02}}]"}),
      families, kVocab);
  const auto ratio = [&](const std::string& name) {
    const auto quotient = master_of(*half.store, name).value / master_of(*plain.store, name).value;
    EXPECT_EQ(quotient.min().item<double>(), quotient.max().item<double>()) << name;
    return quotient.min().item<double>();
  };
  EXPECT_EQ(ratio("layers.0.mixer.o.weight"), 0.5);
  EXPECT_EQ(ratio("layers.1.ffn.down.weight"), 0.5);
  EXPECT_EQ(ratio("layers.0.mixer.q.weight"), 1);
  EXPECT_EQ(ratio("layers.2.mixer.out.weight"), 1);  // the override says what it starts with
}

/// Tokens' embeddings and not the meta tokens', in every form in which the model runs.
TEST_F(Bundles, TheEmbeddingFactorScalesTokens) {
  const auto tokens = (at::arange(10, at::kLong) * 7 % kVocab).view({1, 10});
  for (const char* factor : {"sqrt_d_model", "learned"}) {
    const std::vector<std::string> overrides = {cat("model.embedding_factor=", factor), "model.layers=AFMF",
                                                "model.position=learned"};
    const auto setup = allocated_setup(config(overrides), families, kVocab);
    const auto& model = *setup.model;
    const Tolerance tolerance = Tolerance::of(at::kDouble).reduction(1000).chain(40);
    setup.store->materialise();
    const auto y = model.forward(tokens, {}, false);
    EXPECT_TRUE(close(model.forward_concatenated(tokens).detach(), y.detach(), tolerance)) << factor;
    auto state = model.begin_decode(1);
    EXPECT_TRUE(close(model.prefill(tokens, state), y.detach(), tolerance)) << factor;

    // Without the factor, on a table that holds it.
    const auto plain = allocated_setup(config({"model.layers=AFMF", "model.position=learned"}), families, kVocab);
    for (const Master& master : plain.store->masters()) {
      master.value.copy_(master_of(*setup.store, master.name).value);
    }
    const bool learned = std::string(factor) == "learned";
    master_of(*plain.store, "embedding.weight").value.mul_(std::sqrt(32.0));
    if (learned)
      master_of(*plain.store, "position.weight").value.slice(0, 4).mul_(std::sqrt(32.0));  // behind 4 meta tokens
    plain.store->materialise();
    EXPECT_TRUE(close(plain.model->forward(tokens, {}, false).detach(), y.detach(), tolerance)) << factor;
    EXPECT_EQ(setup.store->num_parameters() - plain.store->num_parameters(), learned ? 1 : 0);
  }
}

/// Gains of the model by width: d_model, head or hidden.
std::map<std::int64_t, int> count_gains(const std::string& placement, const Families& families) {
  // 3 blocks without norms of their own: d_model 32, heads of 16, an ffn of 64.
  const auto config = tiny_config(families, {"model.layers=3x(AF)", cat("model.placement=", placement)});
  const auto setup = allocated_setup(config, families, kVocab);
  std::map<std::int64_t, int> counts;
  for (const auto* info : setup.store->parameters()) {
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
  const auto setup =
      allocated_setup(config({"model.placement=depth_scaled_sandwich", "model.layers=12x(AF)"}), families, kVocab);
  const auto start = [&](const std::string& name) {
    const auto& gain = master_of(*setup.store, name).value;
    EXPECT_EQ(gain.min().item<double>(), gain.max().item<double>()) << name;
    return gain[0].item<double>();
  };
  EXPECT_NEAR(start("layers.4.output_norm.gain"), 0.283 / std::sqrt(12), 1e-12);
  EXPECT_NEAR(start("layers.5.output_norm.gain"), 0.432 / std::sqrt(12), 1e-12);
  EXPECT_EQ(start("layers.4.input_norm.gain"), 1);
  EXPECT_EQ(start("final_norm.gain"), 1);
}

TEST_F(Bundles, DeepnormScalesTheInitOfValuesOutputsAndTheFfn) {
  const auto setup = allocated_setup(config({"model.placement=deepnorm", "model.layers=12x(AF)"}), families, kVocab);
  const auto gain = [&](const std::string& part, double fans) {
    const auto& weight = master_of(*setup.store, cat("layers.2.", part, ".weight")).value;
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
    const auto setup = allocated_setup(config(overrides), families, kVocab);
    return join(setup_warnings(setup), "\n");
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

TEST_F(Warnings, NameAFactorOfBranchesUnderAnOutputNorm) {
  const std::string scaling = "weights.scaling={type: complete_p, base_width: 16, base_sublayers: 2}";
  EXPECT_EQ(of({scaling}), "");
  const auto text = of({scaling, "model.placement=peri"});
  EXPECT_NE(text.find("complete_p divides what branches add, without effect on 'layers.0.mixer.o.weight': rms_norm"),
            std::string::npos)
      << text;
}

TEST_F(Warnings, NameADepthScaledInitUnderUnitNorm) {
  const auto text = of({"weights.init=gpt2", "weights.constraints=[{type: unit_norm}]"});
  EXPECT_NE(text.find("unit_norm sets the scale"), std::string::npos) << text;
}

TEST_F(Warnings, NameZerosUnderUnitNorm) {
  const std::string zeros = "weights.init=zero_outputs";
  EXPECT_EQ(of({zeros}), "");
  const auto text = of({zeros, "weights.constraints=[unit_norm]"});
  EXPECT_NE(text.find("'layers.0.mixer.o.weight' starts at zero, but its constraint unit_norm"), std::string::npos)
      << text;
  EXPECT_EQ(of({zeros, "weights.constraints=[{type: unit_norm, start: 2 steps}]"}), "");
}

TEST_F(Warnings, NameDecayOfScaleInvariantWeights) {
  const std::string decay = "optim.optimizer.weight_decay=0.1";
  EXPECT_EQ(of({decay}), "");
  const auto under_norm = of({decay, "model.placement=sandwich"});
  EXPECT_NE(under_norm.find("effective learning rate"), std::string::npos) << under_norm;
  const auto constrained = of({decay, "weights.constraints=[{type: unit_norm}]"});
  EXPECT_NE(constrained.find("unit_norm puts the scale back"), std::string::npos) << constrained;
  EXPECT_EQ(of({"model.placement=sandwich"}), "");
  const auto parametrised = of({decay, "weights.parametrization=spectral_norm"});
  EXPECT_NE(parametrised.find("spectral_norm takes away its scale"), std::string::npos) << parametrised;
  EXPECT_EQ(of({decay, "weights.parametrization=sigma_reparam"}), "");  // decays what is left: gamma
  EXPECT_EQ(of({"weights.parametrization=spectral_norm"}), "");
}

TEST_F(Warnings, NameANormWithoutTheGainThatTheDepthFactorNeeds) {
  const auto text = of({"model.placement=depth_scaled_sandwich", "model.norm=simple_rms_norm"});
  EXPECT_NE(text.find("has no gain"), std::string::npos) << text;
}

TEST_F(Warnings, NameATiedHeadUnderNgpt) {
  EXPECT_EQ(of({"model.placement=ngpt"}), "");
  EXPECT_NE(of({"model.placement=ngpt", "model.tie_embeddings=true"}).find("model.tie_embeddings"), std::string::npos);
  EXPECT_EQ(of({"model.placement={type: ngpt, bundle: sites_only}", "model.layers=AFAF"}), "");
}

TEST_F(Warnings, NameAPatternThatIsNotMadeOfBlocks) {
  EXPECT_NE(of({"model.placement=keel", "model.layers=DMF"}).find("pairs"), std::string::npos);
  EXPECT_EQ(of({"model.placement=keel"}), "");
  EXPECT_EQ(of({"model.placement=pre", "model.layers=DMF"}), "");
}

TEST_F(Bundles, FactorsOfAPlacementNeedARuleThatHasThem) {
  EXPECT_THROW(
      allocated_setup(config({"model.placement=deepnorm", "model.residual=hyper_connections"}), families, kVocab),
      ConfigError);
  EXPECT_NO_THROW(allocated_setup(config({"model.placement=deepnorm", "model.residual=prores"}), families, kVocab));
}

}  // namespace
}  // namespace ingot
