// What every residual rule must do.

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include "nn/residual_harness.h"
#include "support/variant_cases.h"

namespace ingot::testing {
namespace {

constexpr int kSublayers = 4;

/// Over the sub-layers of a model.
BuiltResidual in_model(const std::string& rule, bool random = true, at::ScalarType dtype = at::kDouble) {
  return build_residual(rule, kSublayers, random, dtype);
}

class ResidualConformance : public ::testing::TestWithParam<std::string> {};

/// A network of branches that are nonlinear in what they read.
at::Tensor network(const Residual& rule, const at::Tensor& x, at::ScalarType branch_type) {
  Pass pass;
  pass.point.updates = 1;  // before the first, branches of some rules are 0
  Stream stream = rule.begin(x);
  for (int depth = 0; depth < kSublayers; ++depth) {
    const at::Tensor read = rule.read(depth, stream);
    stream = rule.join(depth, stream, ((depth + 1.5) * read.roll(1, -1)).tanh().to(branch_type), pass);
  }
  return rule.finish(stream, [](const at::Tensor& t) { return t; });
}

TEST_P(ResidualConformance, GradientsAreRight) {
  const auto built = in_model(GetParam());
  const auto f = [&](const std::vector<at::Tensor>& in) {
    return std::vector<at::Tensor>{network(*built.rule, in[0], at::kDouble)};
  };
  EXPECT_TRUE(gradcheck(f, {hidden(1)}, built.harness->checked()));
}

TEST_P(ResidualConformance, TheStreamKeepsItsTypeAndAgreesWithFp64) {
  const auto exact = in_model(GetParam(), /*random=*/false);
  const auto built = in_model(GetParam(), /*random=*/false, at::kFloat);
  const c10::AutoGradMode no_grad(false);
  const at::Tensor x = hidden(1, at::kFloat);
  const at::Tensor y = network(*built.rule, x, at::kFloat);
  EXPECT_EQ(y.scalar_type(), at::kFloat);
  EXPECT_LT(relative_error(y, network(*exact.rule, x.to(at::kDouble), at::kDouble)), 1e-5);
  const Stream stream = built.rule->join(0, built.rule->begin(x), hidden(2, at::kBFloat16));
  EXPECT_EQ(built.rule->read(1, stream).scalar_type(), at::kFloat);
  const Stream low = built.rule->join(0, built.rule->begin(x.to(at::kBFloat16)), hidden(2, at::kFloat));
  EXPECT_EQ(built.rule->read(1, low).scalar_type(), at::kBFloat16);
}

TEST_P(ResidualConformance, TokensStayApart) {
  const auto built = in_model(GetParam());
  const c10::AutoGradMode no_grad(false);
  const at::Tensor x = hidden(1);
  const at::Tensor whole = network(*built.rule, x, at::kDouble);
  const at::Tensor alone = network(*built.rule, x.narrow(1, 1, 1), at::kDouble);
  EXPECT_TRUE(close(whole.narrow(1, 1, 1), alone, Tolerance::of(at::kDouble).reduction(kModel).chain(16)));
}

INSTANTIATE_TEST_SUITE_P(All, ResidualConformance,
                         ::testing::ValuesIn(all_settings(nn_families().get<ResidualEntry>())),
                         [](const auto& test) { return settings_name(test.param); });

}  // namespace
}  // namespace ingot::testing
