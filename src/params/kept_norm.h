#pragma once
// What constraints share that keep the norm of a weight, or of each of its rows.

#include <ATen/ops/linalg_vector_norm.h>

#include <vector>

#include "params/constraint.h"

namespace ingot {

/// What a norm is taken of: the whole weight (a vector is one unit), or each output's weights.
enum class NormUnit { kMatrix, kRow };
inline const std::vector<std::pair<std::string, NormUnit>>& norm_units() {
  static const std::vector<std::pair<std::string, NormUnit>> units = {{"matrix", NormUnit::kMatrix},
                                                                      {"row", NormUnit::kRow}};
  return units;
}

/// x / y, and `otherwise` where y is 0.
at::Tensor ratio_or(const at::Tensor& x, const at::Tensor& y, double otherwise);

/// State "norm": |W| of each unit when the constraint came into force. Units that were zero then stay free.
class KeptNorm : public Constraint {
 public:
  bool applies(const ParamInfo& info) const override { return is_weight_matrix(info); }
  Granularity granularity(const ParamInfo& info) const override {
    return by_row(info) ? Granularity::kRow : Granularity::kMatrix;
  }
  std::vector<ConstraintState> states(const ParamInfo& info) const override;
  void begin(const at::Tensor& weight, const ConstraintContext& context) const override;
  /// W <- W norm / |W|
  void apply(at::Tensor& weight, const ConstraintContext& context) const override;

 protected:
  explicit KeptNorm(NormUnit unit) : unit_(unit) {}
  /// Shaped to multiply the weight: [rows, 1], [1, 1] or [1].
  at::Tensor norm_of(const at::Tensor& x) const { return sum_of_units(x, true); }
  /// <x, y> of each unit, shaped likewise.
  at::Tensor dot(const at::Tensor& x, const at::Tensor& y) const { return sum_of_units(x * y, false); }

 private:
  bool by_row(const ParamInfo& info) const { return unit_ == NormUnit::kRow && info.shape.size() == 2; }
  at::Tensor sum_of_units(const at::Tensor& x, bool is_norm) const;

  NormUnit unit_;
};

}  // namespace ingot
