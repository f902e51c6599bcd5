#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "nn/norms/fixture.h"

namespace ingot::testing {
namespace {

TEST(SeedNorm, MatchesGolden) {
  expect_norm_golden("seed_norm", "seed_norm");
  expect_norm_golden("{type: seed_norm, groups: 4}", "seed_norm_groups");
}

TEST(SeedNorm, AtTheStartOnlyBetaFeelsTheDynamicPart) {
  NormFixture f("seed_norm");
  f.start();
  (f(normal_rows()) * normal_rows(2)).sum().backward();
  for (const Master& master : f.harness->store().masters()) {
    EXPECT_EQ(master.grad.abs().max().item<double>() == 0, master.name == "m.alpha") << master.name;
  }
}

TEST(SeedNorm, TheDynamicPartSeesScale) {
  const NormFixture f("seed_norm");  // beta is not 0
  EXPECT_GT(relative_error(f(3 * normal_rows()), f(normal_rows())), 0.01);
  NormFixture start("seed_norm");
  start.start();
  EXPECT_TRUE(ignores_scale(start));
}

TEST(SeedNorm, RefusesGroupsThatDoNotDivide) { EXPECT_THROW(NormFixture("{type: seed_norm, groups: 5}"), ConfigError); }

}  // namespace
}  // namespace ingot::testing
