#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

const std::vector<OptimizerBench::Shape> kShapes = {{"w", {3, 5}}, {"v", {4}}};

/// How far three updates by random gradients move; m: the averages of these.
struct Moved {
  at::Tensor w, v, m_w, m_v;
};
Moved moved_by(const std::string& norm, double mu) {
  OptimizerBench bench(read_optimizer("{type: nsgd, norm: " + norm + ", momentum: " + std::to_string(mu) + "}"),
                       kShapes, {});
  Moved out;
  for (std::int64_t t = 1; t <= 3; ++t) {
    bench.randomise_grads(t);
    const at::Tensor w = bench.value("w").clone(), v = bench.value("v").clone();
    bench.step(t, 0.5);
    out.w = w - bench.value("w");
    out.v = v - bench.value("v");
    out.m_w = t == 1 ? bench.grad("w") * (1 - mu) : out.m_w * mu + bench.grad("w") * (1 - mu);
    out.m_v = t == 1 ? bench.grad("v") * (1 - mu) : out.m_v * mu + bench.grad("v") * (1 - mu);
  }
  return out;
}

TEST(Nsgd, StepsHaveOneLength) {
  for (const double mu : {0.0, 0.75}) {
    const auto agrees = [](const at::Tensor& moved, const at::Tensor& m, const at::Tensor& norm) {
      return close(moved, 0.5 * m / (norm + 1e-8), Tolerance::of(at::kDouble).chain(3));
    };
    const auto tensor = moved_by("tensor", mu), row = moved_by("row", mu), column = moved_by("column", mu),
               global = moved_by("global", mu);
    EXPECT_TRUE(agrees(tensor.w, tensor.m_w, tensor.m_w.norm()));
    EXPECT_TRUE(agrees(row.w, row.m_w, row.m_w.norm(2, {1}, true)));
    EXPECT_TRUE(agrees(column.w, column.m_w, column.m_w.norm(2, {0}, true)));
    const auto all = at::cat({global.m_w.flatten(), global.m_v}).norm();
    EXPECT_TRUE(agrees(global.w, global.m_w, all));
    EXPECT_TRUE(agrees(global.v, global.m_v, all));
    for (const auto& one : {tensor, row, column}) EXPECT_TRUE(agrees(one.v, one.m_v, one.m_v.norm()));
  }
}

TEST(Nsgd, WhatHasNoGradientStays) {
  for (const char* norm : {"global", "tensor", "row", "column"}) {
    OptimizerBench bench(read_optimizer("{type: nsgd, norm: " + std::string(norm) + "}"), kShapes, {});
    bench.step(1, 0.5);
    EXPECT_EQ(bench.flat_values().abs().max().item<double>(), 0) << norm;
  }
}

TEST(Nsgd, KeepsNoStateWithoutMomentum) {
  OptimizerBench bench(read_optimizer("{type: nsgd, momentum: 0}"), kShapes, {});
  EXPECT_TRUE(bench.flat_states().empty());
}

TEST(Nsgd, RefusesAnUnknownNorm) { EXPECT_THROW(read_optimizer("{type: nsgd, norm: head}"), ConfigError); }

}  // namespace
}  // namespace ingot::testing
