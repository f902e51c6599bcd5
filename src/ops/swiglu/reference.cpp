#include <ATen/TensorOperators.h>
#include <ATen/ops/silu.h>

#include "ops/swiglu/swiglu.h"

namespace ingot::ops {

at::Tensor swiglu_reference(const at::Tensor& x) {
  const at::Tensor w = x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
  const std::vector<at::Tensor> halves = w.chunk(2, -1);
  return (at::silu(halves[0]) * halves[1]).to(x.scalar_type());
}

}  // namespace ingot::ops
