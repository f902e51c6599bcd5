// Unit vectors along the residual stream.
//
//   W reads the stream, embedding, head:  W[i,:] <- W[i,:] / |W[i,:]|     rows are d_model long
//   W writes the stream:                  W[:,j] <- W[:,j] / |W[:,j]|     columns are d_model long
//
// That is: along the hidden axis. Meta tokens, convolutions, gains, biases, scalars and inner matrices are left alone.
// A zero vector stays zero. Fu et al. 2025 ("Nemotron-Flash"), section 3.3, cases 1 and 2; for embedding and head as in
// Loshchilov et al. 2024 ("nGPT"), section 2.1.

#include <ATen/ops/linalg_vector_norm.h>

#include "params/constraint.h"

namespace ingot {
namespace unit_norm {
namespace {

class UnitNorm final : public Constraint {
 public:
  bool applies(const ParamInfo& info) const override {
    const RoleSet roles = {Role::kEmbedding, Role::kHead, Role::kReadsStream, Role::kWritesStream};
    return info.roles.any(roles) && info.shape.size() == 2 && info.hidden_axis >= 0;
  }

  Granularity granularity(const ParamInfo& info) const override {
    return info.hidden_axis == 1 ? Granularity::kRow : Granularity::kColumn;
  }

  void apply(at::Tensor& weight, const ConstraintContext& context) const override {
    at::Tensor norm = at::linalg_vector_norm(weight, 2, at::IntArrayRef{context.info.hidden_axis}, true);
    weight.div_(norm.masked_fill_(norm.eq(0), 1));
  }
};

}  // namespace
}  // namespace unit_norm

void register_unit_norm(Family<ConstraintEntry>& family) {
  add_constraint<NoSettings, unit_norm::UnitNorm>(
      family, "unit_norm", "Unit rows where the residual stream is read, unit columns where it is written.",
      "Fu et al. 2025, arXiv:2511.18890, section 3.3");
}

}  // namespace ingot
