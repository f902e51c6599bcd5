#include <ATen/ops/allclose.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_det.h>
#include <ATen/ops/stack.h>

#include <vector>

#include "params/init_harness.h"

namespace ingot::testing {
namespace {

TEST(Orthogonal, RowsOrColumnsAreOrthonormalTimesTheScale) {
  const Matrices m;
  const auto plain = make_init("{type: orthogonal, gain: 2}", 4),
             shaped = make_init("{type: orthogonal, scale: shape}", 4);
  const at::Tensor tall = drawn(*plain, m.gate), wide = drawn(*plain, m.down), square = drawn(*plain, m.q);
  const auto expect_identity = [](const at::Tensor& product, double factor) {
    const at::Tensor expected = factor * at::eye(product.size(0), product.options());
    EXPECT_TRUE(at::allclose(product, expected, 0, 1e-13));
  };
  expect_identity(tall.t().mm(tall), 4);
  expect_identity(wide.mm(wide.t()), 4);
  expect_identity(square.mm(square.t()), 4);
  const at::Tensor up = drawn(*shaped, m.up), down = drawn(*shaped, m.down);
  expect_identity(up.t().mm(up), 4);            // 256 / 64
  expect_identity(down.mm(down.t()), 1.0 / 4);  // 64 / 256
}

/// An element of a uniform [m, n] with orthonormal columns has variance 1/m and fourth moment 3 / (m (m + 2)), and its
/// determinant (of a square one) is 1 as often as -1.
TEST(Orthogonal, IsUniform) {
  const auto init = make_init("orthogonal", 4);
  const auto info = matrix_info("q", Role::kReadsStream, 6, 6, 1);
  constexpr int kDraws = 400;
  std::vector<at::Tensor> draws;
  int positive = 0;
  for (int seed = 1; seed <= kDraws; ++seed) {
    draws.push_back(drawn(*init, info, static_cast<std::uint64_t>(seed)));
    positive += at::linalg_det(draws.back()).item<double>() > 0 ? 1 : 0;
  }
  const at::Tensor all = at::stack(draws);
  const double fourth = 3.0 / (6 * 8), eighth = 105.0 / (6 * 8 * 10 * 12);
  // Each place by itself: reflections treat rows and columns differently.
  EXPECT_LT(all.mean(0).abs().max().item<double>(), 5 * std::sqrt(1.0 / 6 / kDraws));
  EXPECT_LT((all.square().mean(0) - 1.0 / 6).abs().max().item<double>(), 5 * std::sqrt((fourth - 1.0 / 36) / kDraws));
  EXPECT_LT((all.pow(4).mean(0) - fourth).abs().max().item<double>(),
            5 * std::sqrt((eighth - fourth * fourth) / kDraws));
  EXPECT_NEAR(positive, kDraws / 2, 5 * std::sqrt(kDraws) / 2);
}

}  // namespace
}  // namespace ingot::testing
