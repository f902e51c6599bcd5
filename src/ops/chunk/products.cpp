#include "ops/chunk/products.h"

#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <string>
#include <vector>

#include "device/machine.h"
#include "ops/chunk/documents.h"
#include "ops/kernel_types.h"

namespace ingot::ops {

namespace {

bool has_matrix_units() {
  static const bool found = [] {
    const std::vector<std::string> features = cpu_features();
    return std::find(features.begin(), features.end(), "amx_bf16") != features.end();
  }();
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

at::Tensor head_chunks(const at::Tensor& rows, std::int64_t chunk, at::ScalarType type) {
  const at::Tensor out = at::empty({num_chunks(rows.size(1), chunk), rows.size(0), rows.size(2), chunk, rows.size(3)},
                                   rows.options().dtype(type));
  copy_head_chunks(out, rows);
  return out;
}

void copy_head_chunks(const at::Tensor& out, const at::Tensor& rows) {
  const at::Tensor target = out.permute({1, 0, 3, 2, 4});  // [B, N, C, H, d]
  const std::int64_t chunk = target.size(2), full = rows.size(1) / chunk, rest = rows.size(1) % chunk;
  if (full > 0) target.narrow(1, 0, full).copy_(rows.narrow(1, 0, full * chunk).unflatten(1, {full, chunk}));
  if (rest == 0) return;
  const at::Tensor last = target.select(1, full);
  last.narrow(1, 0, rest).copy_(rows.narrow(1, full * chunk, rest));
  last.narrow(1, rest, chunk - rest).zero_();
}

at::Tensor from_head_chunks(const at::Tensor& x, std::int64_t length, at::ScalarType type) {
  const at::Tensor out = at::empty({x.size(1), length, x.size(2), x.size(4)}, x.options().dtype(type));
  const at::Tensor source = x.permute({1, 0, 3, 2, 4});
  const std::int64_t chunk = source.size(2), full = length / chunk, rest = length % chunk;
  if (full > 0) out.narrow(1, 0, full * chunk).unflatten(1, {full, chunk}).copy_(source.narrow(1, 0, full));
  if (rest > 0) out.narrow(1, full * chunk, rest).copy_(source.select(1, full).narrow(1, 0, rest));
  return out;
}

}  // namespace ingot::ops
