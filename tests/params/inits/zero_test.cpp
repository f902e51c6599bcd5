#include <ATen/ops/eye.h>
#include <ATen/ops/tensor.h>

#include "params/init_harness.h"

namespace ingot::testing {
namespace {

at::Tensor zero(std::int64_t out, std::int64_t in, RoleSet roles = Role::kReadsStream) {
  return drawn(*make_init("zero", 4), matrix_info("q", roles, out, in, 1));
}

TEST(ZeroInit, IsAPartialIdentityWhereOutputsAreFew) {
  EXPECT_TRUE(zero(8, 8).equal(at::eye(8, at::kDouble)));
  EXPECT_TRUE(zero(3, 8).equal(at::eye(3, 8, at::kDouble)));
}

/// scipy.linalg.hadamard(4) / 2, cut to two columns, as the released notebook does it.
TEST(ZeroInit, IsAHadamardMatrixWhereTheyAreMany) {
  const at::Tensor expected = at::tensor({0.5, 0.5, 0.5, -0.5, 0.5, 0.5, 0.5, -0.5}, at::kDouble).view({4, 2});
  EXPECT_TRUE(zero(4, 2).equal(expected));
  const at::Tensor isometry = zero(256, 64);
  EXPECT_TRUE(isometry.t().mm(isometry).equal(at::eye(64, at::kDouble)));
  EXPECT_TRUE(zero(24, 10).square().sum(0).sub(0.75).abs().max().item<double>() < 1e-15);  // not a power of 2
}

TEST(ZeroInit, EndsBranchesAndHeadInZerosAndTellsTokensApart) {
  EXPECT_EQ(zero(8, 8, Role::kWritesStream).abs().max().item<double>(), 0);
  EXPECT_EQ(zero(8, 8, Role::kHead).abs().max().item<double>(), 0);
  EXPECT_NEAR(std_of(*make_init("zero", 4), Matrices().embedding), 1.0 / 8, 1e-12);
}

}  // namespace
}  // namespace ingot::testing
