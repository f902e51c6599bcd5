#pragma once
// Constraints over several updates by given directions.

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "params/constraint.h"

namespace ingot::testing {

/// A weight [out, in] of a role, its constraint and the constraint's states.
class ConstrainedWeight {
 public:
  /// `yaml`: the constraint as a config writes it. In force, and obeyed, from `start` on.
  ConstrainedWeight(const std::string& yaml, const at::Tensor& start, Role role = Role::kInner);

  /// One update by what an optimizer gives; returns the direction that was applied.
  at::Tensor step(const at::Tensor& direction, double lr, double decay = 0);
  /// What becomes of any weight.
  at::Tensor applied(const at::Tensor& weight);
  at::Tensor changed_gradient(const at::Tensor& gradient);
  const at::Tensor& weight() const { return weight_; }
  at::Tensor& state(std::size_t i) { return states_.at(i); }
  const Constraint& constraint() const { return *constraint_; }
  const ParamInfo& info() const { return info_; }

 private:
  ConstraintContext context(double lr, double decay);

  ParamInfo info_;
  std::unique_ptr<Constraint> constraint_;
  at::Tensor weight_;
  std::vector<at::Tensor> states_;
  std::int64_t update_ = 0;
};

/// Compares a case of tests/golden/{constraints,authors_constraints}.safetensors after every update.
void check_constraint_trajectory(const std::string& file, const std::string& name);

/// Singular values, largest first.
at::Tensor singular_values(const at::Tensor& matrix);

}  // namespace ingot::testing
