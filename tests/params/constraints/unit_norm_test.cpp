#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include "support/gradcheck.h"
#include "support/tolerance.h"
#include "support/weights.h"

namespace ingot::testing {
namespace {

std::unique_ptr<Constraint> make() {
  const auto variant = make_variant<ConstraintEntry>(weight_families(), "unit_norm");
  return variant.entry().make(variant.settings());
}

void apply(const Constraint& constraint, at::Tensor& weight, const ParamInfo& p) {
  std::vector<at::Tensor> states;
  constraint.apply(weight, {p, 1, 10, 0.1, states});
}

ParamInfo info(RoleSet roles, std::vector<std::int64_t> shape, int hidden_axis) {
  ParamInfo p;
  p.roles = roles;
  p.shape = std::move(shape);
  p.hidden_axis = hidden_axis;
  return p;
}

TEST(UnitNorm, RowsWhereTheStreamIsReadColumnsWhereItIsWritten) {
  const auto constraint = make();
  const auto tolerance = Tolerance::of(at::kDouble).reduction(8);
  for (const RoleSet roles :
       {RoleSet(Role::kReadsStream), RoleSet(Role::kHead), RoleSet{Role::kEmbedding, Role::kHead}}) {
    at::Tensor weight = random_normal({5, 8}, 1);
    const at::Tensor expected = weight / weight.square().sum(1, true).sqrt();
    apply(*constraint, weight, info(roles, {5, 8}, 1));
    EXPECT_TRUE(close(weight, expected, tolerance));
    EXPECT_EQ(constraint->granularity(info(roles, {5, 8}, 1)), Granularity::kRow);
  }
  at::Tensor weight = random_normal({8, 5}, 1);
  const at::Tensor expected = weight / weight.square().sum(0, true).sqrt();
  apply(*constraint, weight, info(Role::kWritesStream, {8, 5}, 0));
  EXPECT_TRUE(close(weight, expected, tolerance));
  EXPECT_EQ(constraint->granularity(info(Role::kWritesStream, {8, 5}, 0)), Granularity::kColumn);
}

TEST(UnitNorm, TinyVectorsBecomeUnitZeroOnesStayZero) {
  at::Tensor weight = random_normal({3, 8}, 1);
  weight[0].mul_(1e-30);
  weight[1].zero_();
  apply(*make(), weight, info(Role::kReadsStream, {3, 8}, 1));
  EXPECT_NEAR(weight[0].norm().item<double>(), 1, 1e-14);
  EXPECT_EQ(weight[1].norm().item<double>(), 0);
}

TEST(UnitNorm, LeavesTheRestAlone) {
  const auto constraint = make();
  for (const Role role :
       {Role::kMeta, Role::kConv, Role::kGain, Role::kBias, Role::kScalar, Role::kInner, Role::kPosition}) {
    EXPECT_FALSE(constraint->applies(info(role, {4, 8}, role == Role::kMeta || role == Role::kPosition ? 1 : -1)));
  }
  EXPECT_TRUE(constraint->applies(info(Role::kReadsStream, {4, 8}, 1)));
  EXPECT_FALSE(constraint->applies(info(Role::kReadsStream, {8}, 0)));
}

}  // namespace
}  // namespace ingot::testing
