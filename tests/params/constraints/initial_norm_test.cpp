#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <gtest/gtest.h>

#include "params/constraint_trajectory.h"
#include "support/gradcheck.h"
#include "support/tolerance.h"
#include "support/weights.h"

namespace ingot::testing {
namespace {

ParamInfo five_by_eight(Role role = Role::kReadsStream) {
  ParamInfo info;
  info.shape = {5, 8};
  info.roles = role;
  return info;
}

/// What becomes of `later` where the constraint came into force with `first`.
at::Tensor constrained(const std::string& yaml, const at::Tensor& first, const at::Tensor& later) {
  const auto config = weights_config("constraints: [" + yaml + "]");
  const auto constraint = config.constraints[0].entry().make(config.constraints[0].settings());
  const ParamInfo info = five_by_eight();
  auto states = make_states(*constraint, info, first.options());
  constraint->begin(first, {info, 0, 0, 0, states});
  at::Tensor weight = later.clone();
  constraint->apply(weight, {info, 1, 0, 0, states});
  return weight;
}

TEST(InitialNorm, GivesBackTheNormOfTheBeginning) {
  const at::Tensor first = random_normal({5, 8}, 1), later = random_normal({5, 8}, 2) * 3;
  const auto tolerance = Tolerance::of(at::kDouble).reduction(40);
  EXPECT_TRUE(close(constrained("initial_norm", first, later), later / later.norm() * first.norm(), tolerance));
  const auto rows = [](const at::Tensor& x) { return x.square().sum(1, true).sqrt(); };
  EXPECT_TRUE(
      close(constrained("{type: initial_norm, per: row}", first, later), later / rows(later) * rows(first), tolerance));
}

TEST(InitialNorm, IsTheFormulaOverUpdates) { check_constraint_trajectory("constraints", "initial_norm_row"); }

TEST(InitialNorm, WhatStartsAtZeroStaysFree) {
  const at::Tensor first = random_normal({5, 8}, 1), later = random_normal({5, 8}, 2);
  first[2].zero_();
  const at::Tensor rows = constrained("{type: initial_norm, per: row}", first, later);
  EXPECT_TRUE(rows[2].equal(later[2]));
  EXPECT_FALSE(rows[1].equal(later[1]));
  EXPECT_TRUE(constrained("initial_norm", first * 0, later).equal(later));
}

TEST(InitialNorm, LeavesEmbeddingAndHeadAlone) {
  const auto config = weights_config("constraints: [initial_norm]");
  const auto constraint = config.constraints[0].entry().make(config.constraints[0].settings());
  EXPECT_TRUE(constraint->applies(five_by_eight(Role::kInner)));
  EXPECT_FALSE(constraint->applies(five_by_eight(Role::kHead)));
  EXPECT_FALSE(constraint->applies(five_by_eight(Role::kConv)));
  EXPECT_EQ(constraint->granularity(five_by_eight()), Granularity::kMatrix);
}

}  // namespace
}  // namespace ingot::testing
