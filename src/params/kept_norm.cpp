#include "params/kept_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/where.h>

namespace ingot {

at::Tensor ratio_or(const at::Tensor& x, const at::Tensor& y, double otherwise) {
  return at::where(y.eq(0), otherwise, x / y);
}

std::vector<ConstraintState> KeptNorm::states(const ParamInfo& info) const {
  std::vector<std::int64_t> shape(info.shape.size(), 1);
  if (by_row(info)) shape[0] = info.shape[0];
  return {{"norm", shape}};
}

void KeptNorm::begin(const at::Tensor& weight, const ConstraintContext& context) const {
  context.states[0].copy_(norm_of(weight));
}

void KeptNorm::apply(at::Tensor& weight, const ConstraintContext& context) const {
  const at::Tensor& wanted = context.states[0];
  weight.mul_(at::where(wanted.eq(0), 1.0, ratio_or(wanted, norm_of(weight), 1.0)));
}

at::Tensor KeptNorm::sum_of_units(const at::Tensor& x, bool is_norm) const {
  const bool rows = unit_ == NormUnit::kRow && x.dim() == 2;
  const std::vector<std::int64_t> shape(static_cast<std::size_t>(x.dim()), 1);
  if (is_norm) {
    return rows ? at::linalg_vector_norm(x, 2, at::IntArrayRef{1}, true) : at::linalg_vector_norm(x).view(shape);
  }
  return rows ? x.sum(1, true) : x.sum().view(shape);
}

}  // namespace ingot
