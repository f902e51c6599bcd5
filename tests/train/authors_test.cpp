// Two blocks in every placement and with every residual rule against the code that the authors released, or where there
// is none against scripts of the formulas (tools/golden/authors_{placements,residuals}.py say which).

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/text.h"
#include "recipe/load.h"
#include "support/golden.h"
#include "support/tolerance.h"
#include "train/families.h"
#include "train/samples.h"

namespace ingot {
namespace {

using namespace testing;

struct Case {
  const char* name;  // in the golden file
  std::vector<std::string> overrides;
  std::set<std::string> held =
      {};          // parameters of Ingot alone, at the start value that does nothing; no gradient to compare
  int update = 1;  // the update that the model is at
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class AuthorsStack {
 public:
  AuthorsStack(const std::string& file, const Case& c) : golden_(Golden(file).below(std::string(c.name) + "/")) {
    const Families families = make_families();
    setup_ = allocated_setup(load_config(source_path("tests/golden/authors.yaml"), c.overrides, families), families,
                             golden_.at("in/x").numel() / golden_.at("in/x").size(-1));
    std::set<std::string> ours, theirs{"embedding.weight"};
    for (const Master& master : setup_.store->masters()) ours.insert(master.name);
    for (const auto& [name, value] : golden_) {
      if (name.rfind("param/", 0) == 0) theirs.insert(name.substr(6));
    }
    theirs.insert(c.held.begin(), c.held.end());
    EXPECT_EQ(ours, theirs);
    for (const Master& master : setup_.store->masters()) {
      if (c.held.count(master.name) == 0) master.value.copy_(value(master.name));
    }
    setup_.model->set_point({c.update - 1});
    setup_.store->materialise();
  }

  void compare() {
    const at::Tensor& x = golden_.at("in/x");
    const at::Tensor tokens = at::arange(x.size(0) * x.size(1), at::kLong).view({x.size(0), x.size(1)});
    setup_.store->zero_grads();
    const at::Tensor y = setup_.model->forward(tokens, {}, /*training=*/true);
    // Sums over tokens and widths, eight norms and products deep.
    const Tolerance tolerance = Tolerance::of(at::kDouble).reduction(1000).chain(40);
    EXPECT_TRUE(close(y.detach(), golden_.at("out/y"), tolerance));
    (y * golden_.at("dout/y")).sum().backward();
    setup_.store->pull_back();
    for (const Master& master : setup_.store->masters()) {
      const bool embedding = master.name == "embedding.weight";
      const auto found = golden_.find(embedding ? "grad/x" : "grad/" + master.name);
      if (found == golden_.end()) continue;
      EXPECT_TRUE(close(master.grad, found->second.view(master.grad.sizes()), tolerance)) << master.name;
    }
  }

 private:
  at::Tensor value(const std::string& name) const {
    if (name == "embedding.weight") return golden_.at("in/x").flatten(0, 1);
    const auto found = golden_.find("param/" + name);
    return found == golden_.end() ? at::Tensor() : found->second;
  }

  std::map<std::string, at::Tensor> golden_;
  TrainSetup setup_;
};

std::string name_of(const ::testing::TestParamInfo<Case>& test) { return test.param.name; }

constexpr const char* kLayerNorm = "model.norm=layer_norm";

class AuthorsPlacements : public ::testing::TestWithParam<Case> {};

TEST_P(AuthorsPlacements, OutputAndGradientsAgree) { AuthorsStack("authors_placements", GetParam()).compare(); }

std::vector<Case> placement_cases() {
  const auto placed = [](const char* name, std::vector<std::string> more = {}) {
    more.push_back(std::string("model.placement=") + name);
    return Case{name, more};
  };
  // fairseq scales pieces of what W_o gives where the paper scales heads: at 1 in the golden.
  const std::set<std::string> heads{"layers.0.mixer.head_scale", "layers.2.mixer.head_scale"};
  Case normformer = placed("normformer", {kLayerNorm});
  normformer.held = heads;
  Case ngpt = placed("ngpt", {"model.operators.F.ffn={type: swiglu, width: 4x}", "model.tie_embeddings=false"});
  ngpt.held = {"head.weight", "head.scale"};
  return {
      placed("pre", {kLayerNorm}),
      placed("post", {kLayerNorm}),
      placed("deepnorm", {kLayerNorm}),
      placed("b2t", {kLayerNorm}),
      placed("residual_dual", {kLayerNorm}),
      normformer,
      {"normformer_residual_scale", {kLayerNorm, "model.placement={type: normformer, residual_scale: true}"}, heads},
      placed("sandwich", {"model.norm={type: rms_norm, zero_centred: true}"}),
      placed("output_only"),
      {"mix_ln", {"model.placement={type: mix_ln, post_fraction: 0.5}"}},
      placed("layernorm_scaling"),
      placed("hybrid_norm", {"model.norm={type: rms_norm, eps: 1e-5}"}),
      placed("hybrid_norm_star", {"model.norm={type: rms_norm, eps: 1e-5}"}),
      ngpt,
      placed("peri"),
      placed("depth_scaled_sandwich"),
      placed("keel"),
      placed("none")};
}

INSTANTIATE_TEST_SUITE_P(Cases, AuthorsPlacements, ::testing::ValuesIn(placement_cases()), name_of);

class AuthorsResiduals : public ::testing::TestWithParam<Case> {};

TEST_P(AuthorsResiduals, OutputAndGradientsAgree) { AuthorsStack("authors_residuals", GetParam()).compare(); }

std::vector<Case> residual_cases() {
  const auto ruled = [](const char* name, std::vector<std::string> more = {}) {
    more.push_back(std::string("model.residual=") + name);
    return Case{name, more};
  };
  Case fixup = ruled("fixup", {"model.placement=none"});
  fixup.held = {"residual.shift"};
  for (const char* depth : {"0", "1", "2", "3"}) fixup.held.insert(cat("layers.", depth, ".residual.shift_out"));
  Case prores = ruled("{type: prores, updates: 4}");
  prores.name = "prores", prores.update = 4;  // three have been applied
  return {ruled("add", {kLayerNorm}),
          ruled("rezero", {"model.placement=none"}),
          ruled("layer_scale", {kLayerNorm}),
          fixup,
          prores,
          ruled("input_scalars", {"model.norm=simple_rms_norm", "model.sites={embedding: simple_rms_norm}",
                                  "model.operators.F.ffn={type: mlp, width: 4x, activation: relu2}"}),
          {"hyper_connections", {"model.placement=none", "model.residual={type: hyper_connections, streams: 3}"}},
          {"mhc", {"model.residual={type: mhc, streams: 3, iterations: 3}"}},
          ruled("attention_residuals"),
          ruled("scaled"),
          {"qk_cosine", {"model.placement=none", "model.operators.A.mixer.score=qk_cosine"}}};
}

INSTANTIATE_TEST_SUITE_P(Cases, AuthorsResiduals, ::testing::ValuesIn(residual_cases()), name_of);

}  // namespace
}  // namespace ingot
