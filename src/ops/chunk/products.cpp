#include "ops/chunk/products.h"

#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>

#include "device/machine.h"
#include "ops/kernel_types.h"

namespace ingot::ops {

namespace {

bool has_matrix_units() {
  static const bool found = has_cpu_feature("amx_bf16");
  return found;
}

}  // namespace

at::ScalarType product_type(const at::Tensor& x) {
  const at::ScalarType type = x.scalar_type();
  return type == at::kBFloat16 && (!x.is_cpu() || has_matrix_units()) ? at::kBFloat16 : wide_type(type);
}

at::Tensor wide_bmm(const at::Tensor& a, const at::Tensor& b, double alpha) {
  const at::ScalarType type = a.scalar_type(), wide = wide_type(type);
  const at::Tensor out = at::empty({a.size(0), a.size(1), b.size(2)}, a.options());
  if (type == wide || a.is_cpu()) {
    at::baddbmm_out(const_cast<at::Tensor&>(out), out, a, b, /*beta=*/0, alpha);
    return out.to(wide);
  }
  const at::Tensor product = at::bmm(a, b, wide);
  return alpha == 1 ? product : product.mul_(alpha);
}

}  // namespace ingot::ops
