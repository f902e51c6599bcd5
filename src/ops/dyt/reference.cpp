#include <ATen/TensorOperators.h>
#include <ATen/ops/exp.h>

#include "ops/dyt/dyt.h"
#include "ops/kernel_types.h"

namespace ingot::ops {

at::Tensor dyt_reference(const at::Tensor& x, const at::Tensor& alpha, const at::Tensor& gain, const at::Tensor& bias) {
  const at::Tensor u = x.to(wide_type(x.scalar_type())) * alpha;
  const at::Tensor falling = at::exp(-2 * u.abs());
  const at::Tensor y = u.sign() * (1 - falling) / (1 + falling) * gain;
  return (bias.defined() ? y + bias : y).to(x.scalar_type());
}

}  // namespace ingot::ops
