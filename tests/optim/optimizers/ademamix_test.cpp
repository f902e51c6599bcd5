#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "optim/course.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(Ademamix, FollowsTheAuthorsCode) { check_golden_trajectories("ademamix", "ademamix"); }

TEST(Ademamix, TwoUpdatesByAnIndependentProgram) {
  const at::Tensor expected = at::tensor({.4398963, -.1995020, .5948469, -.3737524, -.0543855, .5329846}, at::kDouble);
  const at::Tensor w = after_shared_updates(
      "{type: ademamix, betas: [0.9, 0.95, 0.999], alpha: 8, alpha_warmup: 0 steps, beta3_warmup: 0 steps}", 0.1, 0.1);
  EXPECT_LT((w - expected).abs().max().item<double>(), 6e-8);  // expected has seven digits
}

TEST(Ademamix, RampsGoOverTheRunUnlessSettingsSayOtherwise) {
  // The bench's run has 100 updates.
  const auto w = [](const std::string& ramps) {
    return after_shared_updates("{type: ademamix, betas: [0.9, 0.99, 0.999]" + ramps + "}", 0.1, 0);
  };
  EXPECT_TRUE(same_bits(w(""), w(", alpha_warmup: 100 steps, beta3_warmup: 100%")));
  EXPECT_FALSE(same_bits(w(""), w(", alpha_warmup: 50%")));
  EXPECT_FALSE(same_bits(w(""), w(", beta3_warmup: 50%")));
}

TEST(Ademamix, WarnsOfARampThatIsLongerThanTheRun) {
  const auto config = optim_config("{optimizer: {type: ademamix, alpha_warmup: 300 steps, beta3_warmup: 50%}}");
  ScheduleContext context;
  context.total_steps = 200;
  const auto warnings = optimizer_warnings(config, context);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0].path, "optim.optimizer.alpha_warmup");
  EXPECT_EQ(warnings[0].message, "a rise over 300 updates in a run of 200: it never ends");
}

TEST(Ademamix, RefusesSettings) {
  for (const char* yaml : {"{type: ademamix, betas: [0.9, 0.95]}", "{type: ademamix, betas: [0.9, 0.95, 0.8]}",
                           "{type: ademamix, alpha_warmup: 1M tokens}"}) {
    const auto one = read_optimizer(yaml);
    EXPECT_THROW(one.entry().make(one.settings()), ConfigError) << yaml;
  }
}

}  // namespace
}  // namespace ingot::testing
