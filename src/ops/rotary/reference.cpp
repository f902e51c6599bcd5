#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include "ops/kernel_types.h"
#include "ops/rotary/rotary.h"

namespace ingot::ops {

at::Tensor rotate_half_reference(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const std::vector<at::Tensor> halves = x.to(wide_type(x.scalar_type())).chunk(2, -1);
  const at::Tensor c = cos.unsqueeze(2), s = sin.unsqueeze(2);
  return at::cat({halves[0] * c - halves[1] * s, halves[1] * c + halves[0] * s}, -1).to(x.scalar_type());
}

}  // namespace ingot::ops
