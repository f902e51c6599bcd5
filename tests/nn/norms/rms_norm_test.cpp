#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "nn/norms/fixture.h"

namespace ingot::testing {
namespace {

TEST(RmsNorm, MatchesGolden) {
  NormFixture f("rms_norm");
  const GoldenCase golden = golden_case(Golden("rms_norm"));
  load_params(*f.harness, golden);
  expect_golden(golden, *f.harness, [&](const at::Tensor& x) { return f(x); });
}

TEST(RmsNorm, CastsBeforeTheGain) {
  NormFixture f("rms_norm", at::kBFloat16);
  const at::Tensor x = random_normal({50, kModel}, 1, at::kBFloat16);
  const at::Tensor w = x.to(at::kFloat);
  const at::Tensor normalised = (w * at::rsqrt(w.square().mean(-1, true) + 1e-6)).to(at::kBFloat16);
  const at::Tensor gain = f.harness->params().at("gain").to(at::kFloat);
  const at::Tensor expected = (normalised.to(at::kFloat) * gain).to(at::kBFloat16);
  // The statistics may differ in the last fp32 bit, which moves a rounding to bf16 now and then, never by more than one
  // step.
  const at::Tensor y = f(x);
  EXPECT_GT((y == expected).to(at::kFloat).mean().item<double>(), 0.99);
  EXPECT_TRUE(close(y, expected, Tolerance::of(at::kBFloat16)));
}

TEST(RmsNorm, ZerosStayZeros) {
  NormFixture f("rms_norm", at::kFloat);
  const at::Tensor x = at::zeros({2, kModel}).requires_grad_(true);
  const at::Tensor y = f(x);
  EXPECT_TRUE(same_bits(y.detach(), at::zeros({2, kModel})));
  y.sum().backward();
  EXPECT_TRUE(x.grad().isfinite().all().item<bool>());
}

TEST(RmsNorm, EpsIsInsideTheRoot) {
  NormFixture f("{type: rms_norm, eps: 3}");
  const at::Tensor x = at::full({1, kModel}, 1.0, at::kDouble);
  EXPECT_TRUE(close(f(x)[0], f.harness->params().at("gain") * 0.5, Tolerance::of(at::kDouble)));
}

TEST(RmsNorm, OtherFormsMatchGoldens) {
  expect_norm_golden("{type: rms_norm, eps_mode: outside, eps: 1e-8}", "rms_norm_outside");
  expect_norm_golden("{type: rms_norm, eps_mode: outside, eps: 0.1}", "rms_norm_outside_large");
  expect_norm_golden("{type: rms_norm, zero_centred: true}", "rms_norm_zero_centred");
}

TEST(RmsNorm, EpsIsOutsideTheRootIfAsked) {
  NormFixture f("{type: rms_norm, eps: 3, eps_mode: outside}");
  const at::Tensor x = at::full({1, kModel}, 1.0, at::kDouble);
  EXPECT_TRUE(close(f(x)[0], f.harness->params().at("gain") * 0.25, Tolerance::of(at::kDouble)));
}

TEST(RmsNorm, AZeroCentredGainIsMultipliedBeforeTheCast) {
  NormFixture f("{type: rms_norm, zero_centred: true}", at::kBFloat16);
  const at::Tensor x = random_normal({50, kModel}, 1, at::kBFloat16);
  const at::Tensor w = x.to(at::kFloat);
  const at::Tensor gain = 1 + f.harness->params().at("gain").to(at::kFloat);
  const at::Tensor once = (w * at::rsqrt(w.square().mean(-1, true) + 1e-6) * gain).to(at::kBFloat16);
  EXPECT_GT((f(x) == once).to(at::kFloat).mean().item<double>(), 0.99);
}

TEST(RmsNorm, ZerosHaveAGradientWithEpsOutside) {
  NormFixture f("{type: rms_norm, eps_mode: outside, eps: 0.5}");
  const at::Tensor x = at::zeros({2, kModel}, at::kDouble).requires_grad_(true);
  f(x).sum().backward();
  EXPECT_TRUE(close(x.grad()[0], 2 * f.harness->params().at("gain"), row_tolerance()));
}

}  // namespace
}  // namespace ingot::testing
