#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/ones.h>

#include <cmath>

#include "base/error.h"
#include "nn/residual_harness.h"

namespace ingot::testing {
namespace {

at::Tensor unit(const at::Tensor& x) { return x / at::linalg_vector_norm(x, 2, -1, true); }

TEST(NgptResidual, MovesTowardsTheBranchOnTheSphere) {
  const auto built = build_residual("{type: ngpt, start: 0.1}");
  const at::Tensor x = hidden(1), branch = hidden(2);
  const at::Tensor rate = built.param("1.residual.rate").abs() * 0.1 * std::sqrt(static_cast<double>(kModel));
  const at::Tensor h = unit(x);
  const at::Tensor expected = unit(h + rate * (unit(branch) - h));
  const Stream stream = built.rule->join(1, built.rule->begin(x), branch);
  const Tolerance tolerance = Tolerance::of(at::kDouble).reduction(kModel).chain(4);
  EXPECT_TRUE(close(built.rule->read(2, stream), expected, tolerance));
  EXPECT_TRUE(
      close(at::linalg_vector_norm(built.rule->read(2, stream), 2, -1), at::ones({2, 3}, at::kDouble), tolerance));
  EXPECT_TRUE(close(built.rule->end(stream), expected, tolerance));
}

TEST(NgptResidual, StoresItsScalesAtTheRootOfTheWidth) {
  const auto built = build_residual("ngpt", 4, /*random=*/false, at::kFloat);
  const float stored = 1 / std::sqrt(static_cast<float>(kModel));
  EXPECT_FLOAT_EQ(built.param("3.residual.rate").select(0, 5).item<float>(), stored);
  EXPECT_EQ(built.harness->num_parameters(), 4 * kModel);
}

TEST(NgptResidual, RefusesFactorsOfAPlacement) {
  const auto three = [](int) { return 3.0; };
  EXPECT_THROW(build_residual("ngpt", 4, true, at::kDouble, {}, three), ConfigError);
}

}  // namespace
}  // namespace ingot::testing
