#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Normuon, FollowsThePackageAndNanochat) { check_golden_trajectories("normuon", "normuon", 1e-10); }

TEST(Normuon, TwoUpdatesByAnIndependentProgram) {
  EXPECT_LT(largest_difference(after_shared_updates("{type: normuon, scale: match_rms}", 0.02, 0.01),
                               {.4970238, -.3022944, .7910960, -.2084448, .0906547, .4030447}),
            1e-7);
}

TEST(Normuon, SplitHeadsAreMatricesOfTheirOwn) {
  const auto split = read_optimizer("{type: normuon, heads: split}");
  OptimizerBench one(split, {{"q", {6, 5}, Role::kReadsStream, "q", 3}}, {});
  OptimizerBench two(split, {{"a", {3, 5}}, {"b", {3, 5}}}, {});
  for (std::int64_t t = 1; t <= 2; ++t) {
    one.randomise_grads(t);
    two.grad("a").copy_(one.grad("q").narrow(0, 0, 3));
    two.grad("b").copy_(one.grad("q").narrow(0, 3, 3));
    one.step(t, 0.1);
    two.step(t, 0.1);
  }
  EXPECT_TRUE(same_bits(one.value("q").narrow(0, 0, 3), two.value("a")));
  EXPECT_TRUE(same_bits(one.value("q").narrow(0, 3, 3), two.value("b")));
}

TEST(Normuon, RefusesHeadsWithColumns) {
  const auto both = read_optimizer("{type: normuon, heads: split, per: longer_side}");
  EXPECT_THROW(both.entry().make(both.settings()), ConfigError);
}

}  // namespace
}  // namespace ingot::testing
