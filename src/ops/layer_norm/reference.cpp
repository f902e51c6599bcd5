#include <ATen/TensorOperators.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/rsqrt.h>

#include "ops/kernel_types.h"
#include "ops/layer_norm/layer_norm.h"

namespace ingot::ops {

at::Tensor layer_norm_reference(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& bias, double eps) {
  const at::Tensor w = x.to(wide_type(x.scalar_type()));
  const at::Tensor centred = w - w.mean(-1, true);
  const at::Tensor y = centred * at::rsqrt(centred.square().mean(-1, true) + eps) * gain;
  return (bias.defined() ? y + bias : y).to(x.scalar_type());
}

}  // namespace ingot::ops
