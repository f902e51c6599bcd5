#include <ATen/TensorOperators.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/sum.h>

#include "ops/rms_norm/rms_norm.h"

namespace ingot::ops {

namespace {

at::Tensor wide(const at::Tensor& x) { return x.scalar_type() == at::kDouble ? x : x.to(at::kFloat); }

at::Tensor times_gain(const at::Tensor& normalised, const at::Tensor& gain, at::ScalarType dtype) {
  const at::Tensor rounded = normalised.to(dtype);
  return gain.defined() ? (wide(rounded) * gain).to(dtype) : rounded;
}

}  // namespace

at::Tensor rms_norm_reference(const at::Tensor& x, const at::Tensor& gain, double eps) {
  const at::Tensor w = wide(x);
  return times_gain(w * at::rsqrt(w.square().mean(-1, true) + eps), gain, x.scalar_type());
}

at::Tensor l2_norm_reference(const at::Tensor& x, double eps, double scale) {
  const at::Tensor w = wide(x);
  return (w * at::rsqrt(w.square().sum(-1, true) + eps) * scale).to(x.scalar_type());
}

at::Tensor gated_rms_norm_reference(const at::Tensor& x, const at::Tensor& gate, const at::Tensor& gain, double eps) {
  const at::Tensor w = wide(x) * at::silu(wide(gate));
  return times_gain(w * at::rsqrt(w.square().mean(-1, true) + eps), gain, x.scalar_type());
}

}  // namespace ingot::ops
