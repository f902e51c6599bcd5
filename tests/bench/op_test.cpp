// What is timed, and that nothing is timed which disagrees with its reference.

#include "bench/op.h"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "base/error.h"
#include "config/fields.h"
#include "nn/linear.h"
#include "recipe/run_config.h"
#include "train/families.h"

namespace ingot {
namespace {

struct NoSettings {};
void describe(Fields& /*f*/, NoSettings& /*c*/) {}

/// y = gain · x.
class Gain final : public Norm {
 public:
  using Norm::forward;
  explicit Gain(const NormContext& context) : gain_(context.scope.declare(gain_spec("gain", context.width))) {}
  at::Tensor forward(const at::Tensor& x, const NormInput& /*input*/) const override { return x * gain_.compute(); }

 private:
  Param gain_;
};

using NormReference = at::Tensor (*)(const at::Tensor& x, const ParamMap& params);

void add_gain(Family<NormEntry>& family, const std::string& name, NormReference reference) {
  NormEntry& e = family.add<NoSettings>(name, "", "");
  e.make = [](const ConfigObject&, const NormContext& context) -> std::unique_ptr<Norm> {
    return std::make_unique<Gain>(context);
  };
  e.reference = [reference](const ConfigObject&, const at::Tensor& x, const ParamMap& params) {
    return reference(x, params);
  };
}

/// Norms made here, beside what a store needs.
Families families_of_gains() {
  Families families;
  register_all_parametrizations(families.add<ParametrizationEntry>());
  register_all_inits(families.add<InitEntry>());
  auto& norms = families.add<NormEntry>();
  add_gain(norms, "right", [](const at::Tensor& x, const ParamMap& p) { return x * p.at("gain"); });
  add_gain(norms, "wrong_value", [](const at::Tensor& x, const ParamMap& p) { return x * p.at("gain") * 1.001; });
  // The same values, but no gradient for the gain.
  add_gain(norms, "wrong_gradient",
           [](const at::Tensor& x, const ParamMap& p) { return x * (2 * p.at("gain").detach() - p.at("gain")); });
  return families;
}

OpBenchOptions quick(const std::vector<std::string>& names) {
  OpBenchOptions options;
  options.names = names;
  options.sizes.rows = 2;
  options.sizes.seq_len = 16;
  options.sizes.d_model = 64;
  options.sizes.vocab_size = 100;
  options.sizes.parameters = 1;  // one layer
  options.device = DeviceKind::kCpu;
  options.precision = Precision::kFloat32;
  options.threads = 1;
  options.timing = {0, 2};
  return options;
}

TEST(BenchOp, RefusesWhatDisagreesWithItsReference) {
  const auto families = families_of_gains();
  const auto bench = bench_operations(quick({"norms"}), families);
  ASSERT_EQ(bench.report.results.size(), 1u);
  EXPECT_EQ(bench.report.results[0].name, "norms/right");
  ASSERT_EQ(bench.failures.size(), 2u);
  EXPECT_EQ(bench.failures[0].first, "norms/wrong_gradient");
  EXPECT_NE(bench.failures[0].second.find("gradient of gain"), std::string::npos) << bench.failures[0].second;
  EXPECT_EQ(bench.failures[1].first, "norms/wrong_value");
  EXPECT_NE(bench.failures[1].second.find("forward: worst element"), std::string::npos) << bench.failures[1].second;
  EXPECT_EQ(to_json(bench.report)["failures"].size(), 2u);
}

TEST(BenchOp, TheProgramsOwnOperationsAgreeAndAreTimed) {
  const auto families = make_families();
  const auto bench = bench_operations(quick({}), families);
  for (const auto& [name, problem] : bench.failures) ADD_FAILURE() << name << ": " << problem;
  std::set<std::string> names;
  for (const auto& result : bench.report.results) {
    names.insert(result.name);
    EXPECT_GT(result.seconds.median, 0) << result.name;
    EXPECT_GT(result.facts["bytes"].get<double>(), 0) << result.name;
  }
  for (const char* family : {"norms", "activations", "positions", "ffns", "mixers", "optimizers"}) {
    // `none` does nothing.
    for (const auto& name : families.at(family).names()) {
      const bool found = std::any_of(names.begin(), names.end(), [&](const std::string& n) {
        return n == std::string(family) + "/" + name || n.starts_with(std::string(family) + "/" + name + "/");
      });
      EXPECT_EQ(found, name != "none") << family << "/" << name;
    }
  }
}

/// An operation of src/ops is timed here or within a variant that consists of it, or it is a part of one that is.
TEST(BenchOp, EveryFusedOperationIsReached) {
  const std::set<std::string> elsewhere = {"recompute" /* no work of its own */,
                                           "row_norm" /* the frame of the norms */,
                                           "rms_norm" /* norms/rms_norm */,
                                           "layer_norm" /* norms/layer_norm */,
                                           "dyt" /* norms/dyt */,
                                           "seed_norm" /* norms/seed_norm */,
                                           "rotary" /* positions/rope */,
                                           "chunk" /* delta_rule, ssd */,
                                           "unit_lower_inverse" /* delta_rule */};
  std::set<std::string> timed;
  for (const auto& operation : core_operations()) timed.insert(operation.name);
  for (const auto& entry : std::filesystem::directory_iterator(std::string(INGOT_SOURCE_DIR) + "/src/ops")) {
    if (!entry.is_directory()) continue;
    const auto name = entry.path().filename().string();
    EXPECT_TRUE(timed.count(name) + elsewhere.count(name) == 1) << "bench_core_ops.cpp lacks " << name;
  }
}

TEST(BenchOp, UpdatesAreMeasuredAgainstMemory) {
  const auto families = make_families();
  const auto bench = bench_operations(quick({"adamw", "soap {max_precond_dim: 64}"}), families);
  ASSERT_EQ(bench.report.results.size(), 2u);
  const auto& adamw = bench.report.results[0];
  const auto& soap = bench.report.results[1];
  EXPECT_EQ(adamw.name, "optimizers/adamw");
  const double parameters = 12 * 64 * 64 + 2 * 64;
  EXPECT_EQ(adamw.facts["parameters"].get<double>(), parameters);
  EXPECT_EQ(adamw.facts["state_bytes_per_parameter"].get<double>(), 8);
  EXPECT_EQ(adamw.facts["bytes"].get<double>(), 28 * parameters);
  EXPECT_GT(adamw.facts["share_of_bandwidth"].get<double>(), 0);
  // Two matrices for each side of up to 64: eight of four squares, one of each of the two of the ffn.
  EXPECT_EQ(soap.facts["state_bytes_per_parameter"].get<double>(), 8 + 4 * 2 * 10 * 64 * 64 / parameters);
  const auto text = op_bench_text(bench);
  EXPECT_NE(text.find("of bandwidth"), std::string::npos);
  EXPECT_EQ(text.find("x rms_norm"), std::string::npos) << "a table without rows";
}

TEST(BenchOp, NamesChoose) {
  const auto families = make_families();
  const auto names = [&](const std::vector<std::string>& wanted) {
    std::vector<std::string> out;
    for (const auto& result : bench_operations(quick(wanted), families).report.results) out.push_back(result.name);
    return out;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names({"swiglu"}), (Names{"ffns/swiglu", "ops/swiglu"}));
  EXPECT_EQ(names({"layer_norm"}), (Names{"norms/layer_norm"})) << "rms_norm runs along but was not asked for";
  EXPECT_EQ(names({"mixers/attention/window"}), (Names{"mixers/attention/window"}));
  EXPECT_EQ(names({"attention {num_heads: 2, position: rope}"}),
            (Names{"mixers/attention {num_heads: 2, position: rope}"}));
  EXPECT_EQ(names({"norms/la*_norm", "rms_norm"}), (Names{"norms/layer_norm", "norms/rms_norm"}));
  EXPECT_THROW(names({"rms_nrom"}), ConfigError);
  EXPECT_THROW(names({"rms_norm {epps: 1}"}), ConfigError);
}

}  // namespace
}  // namespace ingot
