#include "nn/value_residual.h"

#include <ATen/TensorOperators.h>

#include "base/error.h"
#include "base/text.h"
#include "nn/norm_parts.h"

namespace ingot {

ValueResidual::ValueResidual(const BranchContext& context, double start, std::int64_t heads, std::int64_t head_dim)
    : heads_(heads) {
  if (context.first_values != nullptr) {
    ValueSource& source = *context.first_values;
    leaves_own_ = source.depth < 0;
    if (leaves_own_) source = {context.depth, heads, head_dim, 0};
    if (source.heads != heads || source.head_dim != head_dim) {
      throw ConfigError(cat("value_residual: sub-layer ", context.depth, " has ", heads, " value heads of width ",
                            head_dim, ", expected ", source.heads, " of width ", source.head_dim, " as in sub-layer ",
                            source.depth, ", whose values it mixes in"));
    }
  }
  if (leaves_own_) return;
  if (context.first_values != nullptr) ++context.first_values->readers;
  share_ = context.scope.declare(norms::scalar_spec("value_residual", start));
}

at::Tensor ValueResidual::first(const at::Tensor& joined, const SequenceContext& context) const {
  if (context.first_values == nullptr) return {};
  if (leaves_own_) context.first_values->v = joined.narrow(2, joined.size(2) - heads_, heads_);
  return share_ ? context.first_values->v : at::Tensor();
}

at::Tensor ValueResidual::mix(const at::Tensor& own, const at::Tensor& first) const {
  if (!first.defined()) return own;
  return own + share_.compute().to(own.scalar_type()) * (first - own);
}

}  // namespace ingot
