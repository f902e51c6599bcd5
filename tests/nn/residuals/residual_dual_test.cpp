#include <ATen/TensorOperators.h>

#include "nn/residual_harness.h"

namespace ingot::testing {
namespace {

TEST(ResidualDual, KeepsASumBesideTheNormalisedStream) {
  const auto built = build_residual("residual_dual");
  const Residual& rule = *built.rule;
  const at::Tensor x = hidden(1), a = hidden(2), b = hidden(3);
  const auto halved = [](const at::Tensor& t) { return t / 2; };  // stands for the stream site's norm
  const Stream first = rule.map(rule.join(0, rule.begin(x), a), halved);
  const at::Tensor p = (x + a) / 2;
  EXPECT_TRUE(close(rule.read(1, first), p, Tolerance::of(at::kDouble)));
  const Stream second = rule.map(rule.join(1, first, b), halved);
  const auto tripled = [](const at::Tensor& t) { return 3 * t; };  // stands for the final site's norm
  EXPECT_TRUE(close(rule.finish(second, tripled), (p + b) / 2 + 3 * (x + a + b), Tolerance::of(at::kDouble).chain(3)));
}

}  // namespace
}  // namespace ingot::testing
