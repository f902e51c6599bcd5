// Weights keep the norm that they had when the constraint came into force.
//
//   W <- W n / |W|       n: |W| at the start, or after the free phase that `start` gives
//
// |.|: Frobenius norm of each matrix, or with `per: row` the norm of each output's weights; state n, one number for
// each. Embedding and head are left alone: their scale reaches the loss. What starts at zero stays free. Lyle et al.
// 2024, "Normalization and effective learning rates in reinforcement learning", arXiv:2407.01800, section 4.1 (their
// projection, which they apply after each step or every so many); it goes with a norm before every nonlinearity, and
// without decay.

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/where.h>

#include "params/constraint.h"

namespace ingot::initial_norm {
namespace {

enum class Unit { kMatrix, kRow };

struct InitialNormConfig {
  Unit per = Unit::kMatrix;
};

void describe(Fields& f, InitialNormConfig& c) {
  f.choice("per", c.per, {{"matrix", Unit::kMatrix}, {"row", Unit::kRow}},
           "one norm for the whole matrix, as published, or for each output (row)");
}

class InitialNorm final : public Constraint {
 public:
  explicit InitialNorm(const InitialNormConfig& config) : by_row_(config.per == Unit::kRow) {}
  bool applies(const ParamInfo& info) const override { return is_weight_matrix(info); }
  Granularity granularity(const ParamInfo& /*info*/) const override {
    return by_row_ ? Granularity::kRow : Granularity::kMatrix;
  }
  std::vector<ConstraintState> states(const ParamInfo& info) const override {
    return {{"norm", {by_row_ ? info.shape[0] : 1, 1}}};
  }
  void begin(const at::Tensor& weight, const ConstraintContext& context) const override {
    context.states[0].copy_(norm_of(weight));
  }
  void apply(at::Tensor& weight, const ConstraintContext& context) const override {
    const at::Tensor norm = norm_of(weight), wanted = context.states[0];
    weight.mul_(at::where(wanted.eq(0).logical_or(norm.eq(0)), 1.0, wanted / norm));
  }

 private:
  /// [out, 1] or [1, 1]
  at::Tensor norm_of(const at::Tensor& weight) const {
    return by_row_ ? at::linalg_vector_norm(weight, 2, at::IntArrayRef{1}, true)
                   : at::linalg_vector_norm(weight).view({1, 1});
  }

  bool by_row_;
};

}  // namespace
}  // namespace ingot::initial_norm

namespace ingot {

void register_initial_norm(Family<ConstraintEntry>& family) {
  using namespace initial_norm;
  add_constraint<InitialNormConfig, InitialNorm>(family, "initial_norm", "Weights keep the norm that they began with.",
                                                 "Lyle et al. 2024, arXiv:2407.01800", {"{per: row}"});
}

}  // namespace ingot
