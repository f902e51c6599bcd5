#include <ATen/TensorOperators.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <utility>

#include "base/error.h"
#include "nn/norms/running_fixture.h"

namespace ingot::testing {
namespace {

/// A norm as a model starts with it.
NormFixture at_start(const std::string& yaml) {
  NormFixture f(yaml);
  f.start();
  return f;
}

TEST(NormIdentities, StartAsRmsNorm) {
  const at::Tensor x = normal_rows(), rms = at_start("{type: rms_norm, eps: 1e-5}")(x);
  const Tolerance tolerance = row_tolerance();
  EXPECT_TRUE(close(at_start("{type: seed_norm, eps: 1e-5}")(x), rms, tolerance));
  EXPECT_TRUE(close(at_start("{type: rms_norm, eps: 1e-5, zero_centred: true}")(x), rms, tolerance));
  EXPECT_TRUE(close(at_start("{type: pre_affine_rms_norm, eps: 1e-5}")(x), rms, tolerance));
  EXPECT_TRUE(close(at_start("{type: simple_rms_norm, eps: 1e-5}")(x), rms, tolerance));
  EXPECT_TRUE(close(at_start("{type: gated_norm, eps: 1e-5, two_sigma: true}")(x), rms, tolerance));
  // Its second root has the eps as well.
  EXPECT_TRUE(close(at_start("{type: ada_rms_norm, eps: 1e-5}")(x), rms * std::sqrt(1 + 1e-5), tolerance));
}

TEST(NormIdentities, LayerNormOfCentredRowsIsRmsNorm) {
  const at::Tensor x = normal_rows(), centred = x - x.mean(-1, true);
  const NormFixture layer = at_start("{type: layer_norm, bias: false, eps: 1e-5}");
  const NormFixture rms = at_start("{type: rms_norm, eps: 1e-5}");
  EXPECT_TRUE(close(rms(centred), layer(centred), row_tolerance()));
  EXPECT_TRUE(close(rms(centred), layer(x), row_tolerance()));
  EXPECT_GT(relative_error(rms(x), layer(x)), 0.001);
}

TEST(NormIdentities, CrmsNormIsLayerNormOfCentredRowsWithoutTheLastChannel) {
  const at::Tensor x = random_normal({2, 3, kModel + 1}, 1), centred = x - x.mean(-1, true);
  NormFixture layer("{type: layer_norm, bias: false, eps: 1e-5}", at::kDouble, kModel + 1);
  layer.start();
  const at::Tensor kept = centred.narrow(-1, 0, kModel);
  EXPECT_TRUE(close(at_start("{type: crms_norm, eps: 1e-5}")(kept), layer(x).narrow(-1, 0, kModel), row_tolerance()));
}

TEST(NormIdentities, ScaleOfRowsCountsOnlyWhereItShould) {
  for (const char* name : {"rms_norm", "partial_rms_norm", "simple_rms_norm", "crms_norm", "scale_norm", "lp_norm",
                           "layer_norm", "pre_affine_rms_norm", "gated_norm", "bhyt"}) {
    EXPECT_TRUE(ignores_scale(NormFixture(name))) << name;
  }
  for (const char* name : {"dyt", "derf", "elementwise_layer_norm", "seed_norm", "ada_rms_norm"}) {
    const NormFixture f(name);
    EXPECT_GT(relative_error(f(3 * normal_rows()), f(normal_rows())), 0.01) << name;
  }
}

/// What conversions of trained models rely on: a product behind the norm can take over its gain and bias.
TEST(NormIdentities, NeutralGainsLeaveTheNormalisedRows) {
  const Family<NormEntry>& family = nn_families().get<NormEntry>();
  int checked = 0;
  for (const std::string& name : family.names()) {
    const NormEntry& entry = family.at(name);
    if (!entry.neutral_gain) continue;
    for (const Sample& sample : samples_of(entry, entry.samples)) {
      std::unique_ptr<Norm> norm;
      const Harness harness(at::kDouble, [&](const ParamScope& scope) {
        norm = entry.make(*sample.settings, {scope, kModel, 1, Site::kInput, 0, 1});
      });
      const ParamMap params = harness.params();
      const double neutral = entry.neutral_gain(*sample.settings);
      ParamMap bare = params;
      bare["gain"] = at::full_like(params.at("gain"), neutral);
      at::Tensor bias = at::zeros_like(params.at("gain"));
      if (params.count("bias") != 0) std::swap(bias, bare["bias"]);
      const at::Tensor normalised = entry.reference(*sample.settings, normal_rows(), bare);
      const at::Tensor expected = (params.at("gain") - neutral + 1) * normalised + bias;
      EXPECT_TRUE(close(entry.reference(*sample.settings, normal_rows(), params), expected, row_tolerance()))
          << name << " " << sample.name;
      ++checked;
    }
  }
  EXPECT_GE(checked, 10);
}

TEST(NormLeaks, AreRefusedUnlessAllowedAndOthersDoNotLeak) {
  const Family<NormEntry>& family = nn_families().get<NormEntry>();
  for (const std::string& name : family.names()) {
    if (name == "none") continue;
    if (family.at(name).leaks) {
      EXPECT_THROW(RunningFixture{name}, ConfigError) << name;
      EXPECT_NO_THROW(RunningFixture("{type: " + name + ", allow_leak: true}")) << name;
    } else {
      EXPECT_FALSE(leaks_in_training(RunningFixture(name))) << name;
    }
  }
}

}  // namespace
}  // namespace ingot::testing
