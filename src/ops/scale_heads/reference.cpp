#include <ATen/TensorOperators.h>

#include "ops/scale_heads/scale_heads.h"

namespace ingot::ops {

at::Tensor scale_heads_reference(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& added) {
  const at::Tensor scaled = x.to(scale.scalar_type()) * scale.unsqueeze(-1);
  return (added.defined() ? scaled + added.to(scale.scalar_type()) : scaled).to(x.scalar_type());
}

}  // namespace ingot::ops
