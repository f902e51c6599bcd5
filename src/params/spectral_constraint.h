#pragma once
// What constraints share that look at a matrix's singular values.

#include "params/constraint.h"
#include "params/singular_values.h"

namespace ingot {

/// On matrices between activations, without state.
class SpectralConstraint : public Constraint {
 public:
  bool applies(const ParamInfo& info) const override { return is_weight_matrix(info); }
  Granularity granularity(const ParamInfo& /*info*/) const override { return Granularity::kMatrix; }

 protected:
  explicit SpectralConstraint(const SpectralBound& config) : bound_(config.bound) {}
  /// Largest singular value that the matrix may have.
  double most(const at::Tensor& weight) const { return bound_ * rms_unit(weight); }

 private:
  double bound_;
};

}  // namespace ingot
