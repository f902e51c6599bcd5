#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "nn/norms/fixture.h"

namespace ingot::testing {
namespace {

TEST(GatedNorm, MatchesGolden) {
  expect_norm_golden("{type: gated_norm, rank: 5}", "gated_norm");
  expect_norm_golden("{type: gated_norm, rank: 5, two_sigma: true}", "gated_norm_two_sigma");
}

TEST(GatedNorm, TheMatricesDecayByDefault) {
  const NormFixture f("gated_norm");
  for (const ParamInfo* info : f.harness->store().parameters()) {
    EXPECT_EQ(info->roles.any(matrix_roles()), info->shape.size() == 2) << info->name;
  }
}

}  // namespace
}  // namespace ingot::testing
