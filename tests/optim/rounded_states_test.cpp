// States of elementwise rules in bf16, rounded by chance.

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "optim/bench.h"
#include "optim/update_rule.h"
#include "support/tolerance.h"
#include "support/variant_cases.h"

namespace ingot::testing {
namespace {

/// Settings of all optimizers that allow it.
std::vector<std::string> rounded_optimizers() {
  std::vector<std::string> out;
  for (const auto& settings : all_settings(optim_families().get<OptimizerEntry>())) {
    const auto optimizer = read_optimizer(settings);
    for (const auto& spec : optimizer.entry().make(optimizer.settings())->state_specs()) {
      if (!spec.may_be_bfloat16) continue;
      out.push_back(settings);
      break;
    }
  }
  return out;
}

OptimizerBench::Options rounded() {
  OptimizerBench::Options options;
  options.dtype = at::kFloat;
  options.weight_decay = 0.1;
  options.bfloat16_states = true;
  return options;
}

void run(OptimizerBench& bench, std::int64_t first, std::int64_t last) {
  for (std::int64_t t = first; t <= last; ++t) {
    bench.randomise_grads(static_cast<std::uint64_t>(100 + t));
    bench.step(t, 0.01);
  }
}

void expect_same(const OptimizerBench& a, const OptimizerBench& b) {
  const auto left = a.tensors(), right = b.tensors();
  for (std::size_t i = 0; i < left.size(); ++i) EXPECT_TRUE(same_bits(left[i], right[i])) << i;
}

TEST(RoundedStates, DoNotDependOnNeighboursThreadsOrRestarts) {
  const std::vector<OptimizerBench::Shape> shapes = {{"a", {301, 121}}, {"b", {40}}, {"c", {3, 5}}};
  const int threads = at::get_num_threads();
  for (const auto& settings : rounded_optimizers()) {
    SCOPED_TRACE(settings);
    auto options = rounded();
    OptimizerBench joined(read_optimizer(settings), shapes, options),
        resumed(read_optimizer(settings), shapes, options);
    options.joined = false;
    options.padding = 1;
    OptimizerBench apart(read_optimizer(settings), shapes, options);
    at::set_num_threads(1);
    run(joined, 1, 4);
    at::set_num_threads(2);
    run(apart, 1, 2);
    const auto saved = apart.tensors(), restored = resumed.tensors();
    for (std::size_t i = 0; i < saved.size(); ++i) restored[i].copy_(saved[i]);
    run(apart, 3, 4);
    run(resumed, 3, 4);
    at::set_num_threads(threads);
    expect_same(joined, apart);
    expect_same(joined, resumed);
  }
}

TEST(RoundedStates, FollowExactOnes) {
  const std::vector<OptimizerBench::Shape> shapes = {{"w", {64, 50}}};
  for (const auto& settings : rounded_optimizers()) {
    SCOPED_TRACE(settings);
    auto options = rounded();
    OptimizerBench with(read_optimizer(settings), shapes, options);
    options.bfloat16_states = false;
    OptimizerBench without(read_optimizer(settings), shapes, options);
    run(with, 1, 1);
    run(without, 1, 1);
    EXPECT_TRUE(same_bits(with.value("w"), without.value("w"))) << "states are rounded after they were used";
    run(with, 2, 8);
    run(without, 2, 8);
    const auto moved = without.value("w").norm().item<float>();
    EXPECT_LT((with.value("w") - without.value("w")).norm().item<float>(), 0.3 * moved);
  }
}

TEST(RoundedStates, SmallChangesAddUp) {
  // v = 1 grows by 1e-4 an update: with rounding to the nearest of 2^-7 it would stay at 1 forever.
  OptimizerBench bench(read_optimizer("{type: adamw, betas: [0, 0.9999]}"), {{"w", {20000}}}, rounded());
  const auto v = bench.flat_states()[1];
  v.fill_(1);
  for (std::int64_t t = 1; t <= 100; ++t) {
    bench.grad("w").fill_(std::sqrt(2.0F));
    bench.step(t, 0);
  }
  const double expected = 2 - std::pow(0.9999, 100);
  // Each of 20,000 is a walk with steps of 2^-7: variance 100 · 1e-4 · 2^-7 of one, for all 6e-5 of deviation.
  EXPECT_NEAR(v.to(at::kDouble).mean().item<double>(), expected, 5 * 6.3e-5);
}

TEST(RoundedStates, RoundToNeighboursInProportion) {
  const float x = 1 + 0.25F / 128;  // a quarter of the way from 1 to the next number of bf16
  std::int64_t up = 0;
  constexpr std::int64_t kDraws = 100000;
  for (std::uint32_t i = 0; i < kDraws; ++i) {
    const float rounded_x = from_bfloat16(to_bfloat16(x, rounding_noise(i, 17, 4, 0)));
    ASSERT_TRUE(rounded_x == 1 || rounded_x == 1 + 1.0F / 128);
    up += rounded_x > 1;
  }
  EXPECT_NEAR(static_cast<double>(up) / kDraws, 0.25, 5 * std::sqrt(0.25 * 0.75 / kDraws));
  for (const float exact : {0.0F, -0.0F, 1.5F, -3.0F, std::numeric_limits<float>::infinity()}) {
    EXPECT_EQ(from_bfloat16(to_bfloat16(exact, 0xFFFF)), exact);
  }
  EXPECT_TRUE(std::isnan(from_bfloat16(to_bfloat16(std::numeric_limits<float>::quiet_NaN(), 0xFFFF))));
}

}  // namespace
}  // namespace ingot::testing
