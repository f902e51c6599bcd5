#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

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
