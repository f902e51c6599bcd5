#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "optim/course.h"
#include "support/golden.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(SophiaG, FollowsTheAuthorsCode) {
  // Between updates the file has estimates of the curvature, of `labels` labels each.
  const Golden golden("sophia_g");
  const double labels = golden.at("labels").item<double>();
  OptimizerBench::Options options;
  options.weight_decay = 0.1;
  OptimizerBench bench(read_optimizer("{type: sophia_g, betas: [0.9, 0.95], rho: 0.04}"), {{"w", {5, 4}}}, options);
  bench.value("w").copy_(golden.at("w0"));
  const auto rates = golden.at("lr");
  for (std::int64_t t = 0; t < rates.size(0); ++t) {
    bench.grad("w").copy_(golden.at("grad")[t]);
    bench.step(t + 1, rates[t].item<double>());
    bench.grad("w").copy_(golden.at("sampled")[t] * labels);
    if ((t + 1) % 3 == 0) bench.observe_sampled(t + 1, 1 / labels);
    EXPECT_TRUE(close(bench.value("w"), golden.at("w")[t], Tolerance::of(at::kDouble).chain(t + 1))) << t;
  }
}

TEST(SophiaG, IsTheSignOfMomentumBeforeItKnowsTheCurvature) {
  OptimizerBench bench(read_optimizer("sophia_g"), {{"w", {3}}}, {});
  bench.grad("w").copy_(at::tensor({2.0, -3.0, 0.0}, at::kDouble));
  bench.step(1, 0.25);
  EXPECT_TRUE(same_bits(bench.value("w"), at::tensor({-0.25, 0.25, 0.0}, at::kDouble)));
}

TEST(SophiaG, WarnsWhereNoUpdateUsesACurvature) {
  ScheduleContext context;
  context.total_steps = 10;
  const auto warnings = optimizer_warnings(optim_config("{optimizer: sophia_g}"), context);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0].path, "optim.optimizer.every");
}

TEST(SophiaG, RefusesBetas) {
  const auto one = read_optimizer("{type: sophia_g, betas: [0.9]}");
  EXPECT_THROW(one.entry().make(one.settings()), ConfigError);
}

}  // namespace
}  // namespace ingot::testing
