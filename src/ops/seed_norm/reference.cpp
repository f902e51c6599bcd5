#include <ATen/TensorOperators.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/tanh.h>

#include "ops/kernel_types.h"
#include "ops/seed_norm/seed_norm.h"

namespace ingot::ops {

at::Tensor seed_norm_reference(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& beta,
                               const at::Tensor& alpha, std::int64_t groups, double eps) {
  const auto parts = [&](const at::Tensor& t) { return t.unflatten(-1, {groups, -1}); };
  const at::Tensor w = parts(x.to(wide_type(x.scalar_type())));
  const at::Tensor t = at::einsum("...hd,hd->...h", {w, parts(beta).to(w.scalar_type())}).tanh().unsqueeze(-1);
  const at::Tensor root = (w.square().mean({-2, -1}, true) + eps).sqrt();
  return ((parts(gain) + t * parts(alpha)) * (w / root)).flatten(-2).to(x.scalar_type());
}

}  // namespace ingot::ops
