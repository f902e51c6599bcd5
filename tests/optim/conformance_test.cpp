// What every optimizer, schedule, clipper and modifier of the registry must do, under all its samples.

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "device/numerics.h"
#include "optim/bench.h"
#include "optim/schedule_golden.h"
#include "registry/variant_text.h"
#include "support/tolerance.h"
#include "support/variant_cases.h"

namespace ingot::testing {
namespace {

using Shapes = std::vector<OptimizerBench::Shape>;
const Shapes kShapes = {{"a", {24, 40}}, {"b", {40}}, {"c", {3, 5}}, {"d", {7}}, {"e", {16, 33}}};
constexpr double kLr = 0.01;

/// Those of the shapes that the optimizer can train.
Shapes trainable(const OptimizerEntry& entry, const Shapes& shapes) {
  if (!entry.takes) return shapes;
  Shapes out;
  std::copy_if(shapes.begin(), shapes.end(), std::back_inserter(out),
               [](const auto& s) { return s.shape.size() == 2; });
  return out;
}

class OptimizerConformance : public ::testing::TestWithParam<std::string> {
 protected:
  const Shapes shapes = trainable(read_optimizer(GetParam()).entry(), kShapes);
  const std::vector<std::string> names = [this] {
    std::vector<std::string> out;
    for (const auto& shape : shapes) out.push_back(shape.name);
    return out;
  }();

  OptimizerBench bench(const OptimizerBench::Options& options) const {
    return bench(options, read_optimizer(GetParam()));
  }
  OptimizerBench bench(at::ScalarType dtype = at::kFloat) const { return bench(dtype, read_optimizer(GetParam())); }
  OptimizerBench bench(at::ScalarType dtype, const Variant<OptimizerEntry>& optimizer) const {
    OptimizerBench::Options options;
    options.dtype = dtype;
    options.weight_decay = 0.1;
    return bench(options, optimizer);
  }
  OptimizerBench bench(const OptimizerBench::Options& options, const Variant<OptimizerEntry>& optimizer) const {
    OptimizerBench made(optimizer, shapes, options);
    made.randomise_values(1);
    return made;
  }
};

void run(OptimizerBench& bench, std::int64_t first, std::int64_t last) {
  for (std::int64_t t = first; t <= last; ++t) {
    bench.randomise_grads(100 + t);
    bench.step(t, kLr);
  }
}

void expect_same(const OptimizerBench& a, const OptimizerBench& b) {
  const auto left = a.tensors(), right = b.tensors();
  ASSERT_EQ(left.size(), right.size());
  for (std::size_t i = 0; i < left.size(); ++i) EXPECT_TRUE(same_bits(left[i], right[i])) << i;
}

/// In the first update or in the second: the first of some only starts their states.
TEST_P(OptimizerConformance, ChangesEveryWeight) {
  auto once = bench(at::kDouble), twice = bench(at::kDouble);  // an update may be small
  const auto before = bench(at::kDouble);
  run(once, 1, 1);
  run(twice, 1, 2);
  for (const auto& name : names) {
    const auto changed = (once.value(name) != before.value(name)).logical_or(twice.value(name) != once.value(name));
    EXPECT_TRUE(changed.all().item<bool>()) << name;
  }
}

TEST_P(OptimizerConformance, LeavesGradientsAlone) {
  auto trained = bench();
  trained.randomise_grads(7);
  const auto before = trained.flat_grads().clone();
  trained.step(1, kLr, 0.5);
  EXPECT_TRUE(same_bits(trained.flat_grads(), before));
}

TEST_P(OptimizerConformance, GoesOnFromSavedTensors) {
  auto undisturbed = bench();
  run(undisturbed, 1, 8);
  auto first = bench();
  run(first, 1, 5);
  auto second = bench();
  const auto saved = first.tensors(), restored = second.tensors();
  for (std::size_t i = 0; i < saved.size(); ++i) restored[i].copy_(saved[i]);
  run(second, 6, 8);
  expect_same(undisturbed, second);
}

TEST_P(OptimizerConformance, RunsAndSingleSlotsAgree) {
  OptimizerBench::Options joined, apart;
  joined.dtype = apart.dtype = at::kFloat;
  joined.weight_decay = apart.weight_decay = 0.1;
  apart.joined = false;
  apart.padding = 1;  // other alignment, other remainders of the vector loops
  auto a = bench(joined), b = bench(apart);
  run(a, 1, 5);
  run(b, 1, 5);
  expect_same(a, b);
}

/// Factorisations (QR, singular values) add up in an order that depends on the number of threads, and make more of
/// rounding the worse a matrix is conditioned.
bool factorises(const std::string& yaml) {
  const auto name = read_optimizer(yaml).name();
  return name == "aro" || name == "dion" || yaml.find("method: exact") != std::string::npos;
}

TEST_P(OptimizerConformance, ThreadsDoNotMatter) {
  const int threads = at::get_num_threads();
  OptimizerBench::Options options;
  options.dtype = factorises(GetParam()) ? at::kDouble : at::kFloat;
  const auto optimizer = read_optimizer(GetParam());
  // Large enough to be shared out; matrix functions cost more for each element.
  const std::vector<std::int64_t> shape =
      optimizer.entry().takes ? std::vector<std::int64_t>{173, 201} : std::vector<std::int64_t>{301, 401};
  const auto large = trainable(optimizer.entry(), {{"large", shape}, {"small", {5}}});
  OptimizerBench one(optimizer, large, options), two(optimizer, large, options);
  at::set_num_threads(1);
  run(one, 1, 3);
  at::set_num_threads(2);
  run(two, 1, 3);
  at::set_num_threads(threads);
  if (factorises(GetParam())) {
    EXPECT_LT(relative_error(one.flat_values(), two.flat_values()), 1e-9);
    return;
  }
  expect_same(one, two);
}

TEST_P(OptimizerConformance, ScaleMultipliesGradients) {
  auto a = bench(), b = bench();
  for (std::int64_t t = 1; t <= 3; ++t) {
    a.randomise_grads(t);
    a.step(t, kLr, 0.25);
    b.randomise_grads(t);
    for (const auto& name : names) b.grad(name).mul_(0.25);
    b.step(t, kLr, 1);
  }
  expect_same(a, b);
}

TEST_P(OptimizerConformance, RateZeroKeepsWeights) {
  auto trained = bench();
  const auto before = bench();
  trained.randomise_grads(3);
  trained.step(1, 0);
  EXPECT_TRUE(same_bits(trained.flat_values(), before.flat_values()));
}

TEST_P(OptimizerConformance, PaddingStaysZero) {
  auto trained = bench();
  run(trained, 1, 4);
  auto padding = at::ones_like(trained.flat_values());
  for (const auto& name : names) {
    padding.narrow(0, trained.master(name).offset, trained.master(name).numel).zero_();
  }
  ASSERT_GT(padding.sum().item<float>(), 0);
  EXPECT_EQ((trained.flat_values() * padding).abs().max().item<float>(), 0);
  for (const auto& state : trained.flat_states()) EXPECT_EQ((state * padding).abs().max().item<float>(), 0);
}

TEST_P(OptimizerConformance, DirectionsAppliedApartAreTheFusedStep) {
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    OptimizerBench::Options options;
    options.dtype = dtype;
    options.weight_decay = 0.1;
    auto fused = bench(options);
    options.directions = true;
    auto apart = bench(options);
    run(fused, 1, 10);
    run(apart, 1, 10);
    const auto left = fused.tensors(), right = apart.tensors();
    for (std::size_t i = 0; i < left.size(); ++i) {
      EXPECT_TRUE(close(left[i].to(dtype), right[i].to(dtype), Tolerance::of(dtype).chain(10))) << i;
    }
  }
}

TEST_P(OptimizerConformance, DirectionsLeaveWeightsAlone) {
  OptimizerBench::Options options;
  options.directions = true;
  auto made = bench(options);
  const auto before = made.flat_values().clone();
  made.randomise_grads(3);
  made.step(1, 0);
  EXPECT_TRUE(same_bits(made.flat_values(), before));
}

/// The optimizer with products in the masters' precision, whatever the machine is fast at.
std::string with_float_products(const std::string& yaml) {
  if (!has_field(read_optimizer(yaml), "precision")) return yaml;
  return yaml.substr(0, yaml.size() - 1) + ", precision: fp32}";
}

TEST_P(OptimizerConformance, SinglePrecisionFollowsDouble) {
  const auto optimizer = read_optimizer(with_float_products(GetParam()));
  auto single = bench(at::kFloat, optimizer), wide = bench(at::kDouble, optimizer);
  for (const auto& name : names) wide.value(name).copy_(single.value(name));
  for (std::int64_t t = 1; t <= 10; ++t) {
    single.randomise_grads(t);
    for (const auto& name : names) wide.grad(name).copy_(single.grad(name));
    single.step(t, kLr);
    wide.step(t, kLr);
  }
  for (const auto& name : names) {
    EXPECT_TRUE(close(single.value(name), wide.value(name), Tolerance::of(at::kFloat).chain(10))) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Registry, OptimizerConformance,
                         ::testing::ValuesIn(all_settings(optim_families().get<OptimizerEntry>())),
                         [](const auto& test) { return settings_name(test.param); });

class ScheduleConformance : public ::testing::TestWithParam<std::string> {};

TEST_P(ScheduleConformance, RisesToThePeakThenNeverAgain) {
  for (const std::int64_t total : {1, 2, 40, 1000}) {
    const auto schedule = make_schedule(GetParam(), total);
    const std::int64_t warmup = std::max<std::int64_t>(1, schedule->phases().warmup);
    double before = 0, peak = 0;
    for (std::int64_t t = 0; t < total; ++t) {
      const double factor = schedule->factor(t);
      EXPECT_TRUE(factor >= 0 && factor <= 1) << t << ": " << factor;
      if (t > 0 && t < warmup) {
        EXPECT_GE(factor, before) << t;
      }
      if (t > warmup) {
        EXPECT_LE(factor, before) << t;
      }
      EXPECT_EQ(schedule->factor(t), factor);
      before = factor;
      peak = std::max(peak, factor);
    }
    if (total > 2 * warmup) {
      EXPECT_DOUBLE_EQ(peak, 1) << total;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Registry, ScheduleConformance,
                         ::testing::ValuesIn(all_settings(optim_families().get<ScheduleEntry>())),
                         [](const auto& test) { return settings_name(test.param); });

class ClipperConformance : public ::testing::TestWithParam<std::string> {};

TEST_P(ClipperConformance, NeverMakesGradientsLonger) {
  const auto variant = read_clipper(GetParam());
  for (const double norm : {0.0, 1e-3, 0.5, 20.0, 1e6}) {
    const auto clipper = variant.entry().make(variant.settings());
    GradientNorms norms;
    norms.total = norm;
    const double factor = clipper->factor(norms);
    EXPECT_TRUE(factor > 0 && factor <= 1) << norm << ": " << factor;
  }
}

INSTANTIATE_TEST_SUITE_P(Registry, ClipperConformance,
                         ::testing::ValuesIn(all_settings(optim_families().get<ClipperEntry>())),
                         [](const auto& test) { return settings_name(test.param); });

class ModifierConformance : public ::testing::TestWithParam<std::string> {
 protected:
  static OptimizerBench bench(const std::string& modifier, bool joined = true) {
    OptimizerBench::Options options;
    options.directions = true;
    options.weight_decay = 0.1;
    options.modifier = modifier;
    options.joined = joined;
    OptimizerBench made(read_optimizer("adamw"), kShapes, options);
    made.randomise_values(1);
    return made;
  }
};

TEST_P(ModifierConformance, ChangesDirectionsAlone) {
  auto with = bench(GetParam()), without = bench("");
  run(with, 1, 3);
  run(without, 1, 3);
  EXPECT_FALSE(same_bits(with.flat_values(), without.flat_values()));
  EXPECT_TRUE(same_bits(with.flat_grads(), without.flat_grads()));
}

TEST_P(ModifierConformance, RateZeroKeepsWeights) {
  auto trained = bench(GetParam());
  const auto before = trained.flat_values().clone();
  trained.randomise_grads(3);
  trained.step(1, 0);
  EXPECT_TRUE(same_bits(trained.flat_values(), before));
}

TEST_P(ModifierConformance, NeighboursDoNotMatter) {
  auto joined = bench(GetParam()), apart = bench(GetParam(), false);
  run(joined, 1, 4);
  run(apart, 1, 4);
  expect_same(joined, apart);
}

INSTANTIATE_TEST_SUITE_P(Registry, ModifierConformance,
                         ::testing::ValuesIn(all_settings(optim_families().get<ModifierEntry>())),
                         [](const auto& test) { return settings_name(test.param); });

}  // namespace
}  // namespace ingot::testing
