#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "nn/golden.h"
#include "support/tolerance.h"

namespace ingot::testing {
namespace {

struct Fixture {
  std::unique_ptr<Norm> norm;
  std::unique_ptr<Harness> harness;

  explicit Fixture(at::ScalarType dtype, const std::string& yaml = "rms_norm") {
    const auto variant = configured<NormEntry>(yaml);
    harness = std::make_unique<Harness>(dtype, [&](const ParamScope& scope) {
      norm = variant.entry().make(variant.settings(), {scope, kModel, 1, Site::kInput, 0, 1});
    });
  }
};

TEST(RmsNorm, MatchesGolden) {
  Fixture f(at::kDouble);
  const GoldenCase golden = golden_case(Golden("rms_norm"));
  load_params(*f.harness, golden);
  expect_golden(golden, *f.harness, [&](const at::Tensor& x) { return f.norm->forward(x); });
}

TEST(RmsNorm, CastsBeforeTheGain) {
  Fixture f(at::kBFloat16);
  const at::Tensor x = random_normal({50, kModel}, 1, at::kBFloat16);
  const at::Tensor w = x.to(at::kFloat);
  const at::Tensor normalised = (w * at::rsqrt(w.square().mean(-1, true) + 1e-6)).to(at::kBFloat16);
  const at::Tensor gain = f.harness->params().at("gain").to(at::kFloat);
  const at::Tensor expected = (normalised.to(at::kFloat) * gain).to(at::kBFloat16);
  // The statistics may differ in the last fp32 bit, which moves a rounding to bf16 now and then, never by more than one step.
  const at::Tensor y = f.norm->forward(x);
  EXPECT_GT((y == expected).to(at::kFloat).mean().item<double>(), 0.99);
  EXPECT_TRUE(close(y, expected, Tolerance::of(at::kBFloat16)));
}

TEST(RmsNorm, ZerosStayZeros) {
  Fixture f(at::kFloat);
  const at::Tensor x = at::zeros({2, kModel}).requires_grad_(true);
  const at::Tensor y = f.norm->forward(x);
  EXPECT_TRUE(same_bits(y.detach(), at::zeros({2, kModel})));
  y.sum().backward();
  EXPECT_TRUE(x.grad().isfinite().all().item<bool>());
}

TEST(RmsNorm, EpsIsInsideTheRoot) {
  Fixture f(at::kDouble, "{type: rms_norm, eps: 3}");
  const at::Tensor x = at::full({1, kModel}, 1.0, at::kDouble);
  EXPECT_TRUE(close(f.norm->forward(x)[0], f.harness->params().at("gain") * 0.5, Tolerance::of(at::kDouble)));
}

}  // namespace
}  // namespace ingot::testing
