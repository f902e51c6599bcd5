#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "optim/bench.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

TEST(KlSoap, TwentyUpdatesOfTheAuthorsCode) { check_golden_trajectories("kl_soap", "kl_soap", 1e-10); }

TEST(KlSoap, EigenvaluesOfWhitenedGradientsMeetTheirVariance) {
  // Gradients whose rows have the deviations 1, 2, 3, 4: L has eigenvalues that are in the ratios of their squares.
  OptimizerBench bench(read_optimizer("{type: kl_soap, precondition_frequency: 1}"), {{"w", {4, 60}}}, {});
  for (std::int64_t t = 1; t <= 150; ++t) {
    bench.randomise_grads(t);
    for (std::int64_t i = 0; i < 4; ++i) bench.grad("w")[i].mul_(static_cast<double>(i + 1));
    bench.step(t, 0);
  }
  const auto states = bench.tensors();  // value, m, v, left, right, left basis, right basis, roots
  const at::Tensor values = states[7].square().reciprocal();
  for (std::int64_t i = 0; i < 4; ++i) {
    const double ratio = (values[i] / values[3]).item<double>();
    EXPECT_NEAR(ratio, static_cast<double>((4 - i) * (4 - i)), 0.15 * ratio) << i;
  }
}

TEST(KlSoap, AnUnrotatedSideCountsAsTheIdentity) {
  OptimizerBench bench(read_optimizer("{type: kl_soap, max_precond_dim: 4}"), {{"w", {4, 6}}}, {});
  for (std::int64_t t = 1; t <= 12; ++t) {
    bench.randomise_grads(t);
    bench.step(t, 0.1);
  }
  const auto states = bench.tensors();
  EXPECT_EQ(states[3].numel(), 16);
  EXPECT_EQ(states[4].numel(), 0);
  EXPECT_TRUE(bench.value("w").isfinite().all().item<bool>());
}

}  // namespace
}  // namespace ingot::testing
