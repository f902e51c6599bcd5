#include "ops/chunk/rows.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "device/gpu.h"
#include "device/parallel.h"
#include "ops/chunk/cuda.h"
#include "ops/chunk/documents.h"
#include "ops/chunk/row_kernels.h"
#include "ops/kernel_types.h"

namespace ingot::ops {

namespace {

using row_kernels::Extent;
using row_kernels::Place;

Place place_of(const at::Tensor& x) {
  if (!x.defined()) return {};
  return {x.stride(0), x.stride(1), x.stride(2), x.stride(3), x.stride(4)};
}

/// [B, T, H, d] as the kernels address it.
Place sequence_place(const at::Tensor& rows, const Extent& e) {
  return {rows.stride(0), rows.stride(1) * e.chunk, rows.stride(1), rows.stride(2) * e.heads, rows.stride(2)};
}

Extent extent_of(const at::Tensor& x, std::int64_t length) {
  return {x.size(1), x.size(2), x.size(3), x.size(4), x.size(5), length};
}

bool has_rows_on_gpu(const at::Tensor& rows, const at::Tensor& x) {
  return has_gpu_kernel(rows) && has_gpu_kernel(x) && (x.size(5) == 1 || x.stride(5) == 1);
}

IngotCudaRows gpu_rows(const at::Tensor& rows, const at::Tensor& x, const Extent& extent) {
  return {x.size(0), extent, gpu_type(rows), gpu_type(x), gpu_stream()};
}

bool has_kernel(const at::Tensor& rows, const at::Tensor& x) {
  return has_cpu_kernel(rows) && has_cpu_kernel(x) && (x.size(5) == 1 || x.stride(5) == 1);
}

/// Calls f.operator()<Row, Product, Wide>() with the element types of the kernels.
template <class F>
void with_types(at::ScalarType row, at::ScalarType product, F f) {
  using Bits = std::uint16_t;
  if (product == at::kDouble) {
    f.template operator()<double, double, double>();
  } else if (row == at::kFloat && product == at::kFloat) {
    f.template operator()<float, float, float>();
  } else if (row == at::kFloat) {
    f.template operator()<float, Bits, float>();
  } else if (product == at::kFloat) {
    f.template operator()<Bits, float, float>();
  } else {
    f.template operator()<Bits, Bits, float>();
  }
}

template <class Kernel>
void run(const Kernel& kernel, std::int64_t batch) {
  const Extent& e = kernel.extent;
  const std::int64_t size = e.chunk * e.groups * e.heads * e.width;
  const std::int64_t grain = std::max<std::int64_t>(1, kSerialElements / std::max<std::int64_t>(1, size));
  parallel_for(0, batch * e.chunks, grain, [&](std::int64_t begin, std::int64_t end) { kernel.run(begin, end); });
}

/// [B, N, C, H] -> [B, N, C, G, R, 1].
at::Tensor beside(const at::Tensor& factor, const at::Tensor& x) {
  return factor.unflatten(3, {x.size(3), x.size(4)}).unsqueeze(-1);
}

}  // namespace

at::Tensor rows_of_heads(const at::Tensor& x) { return x.permute({1, 0, 3, 2, 4}).unsqueeze(4); }

at::Tensor rows_of_groups(const at::Tensor& x, std::int64_t heads) {
  return x.transpose(2, 3).unflatten(4, {heads / x.size(2), -1});
}

at::Tensor rows_of_groups_apart(const at::Tensor& x, std::int64_t groups) {
  return x.transpose(2, 3).unflatten(3, {groups, -1});
}

void spread_rows(const at::Tensor& rows, const at::Tensor& factor, const at::Tensor& plain, const at::Tensor& scaled) {
  const at::Tensor& out = plain.defined() ? plain : scaled;
  const at::Tensor in = rows.stride(3) == 1 ? rows : rows.contiguous();
  const Extent extent = extent_of(out, rows.size(1));
  if (has_kernel(rows, out)) {
    with_types(rows.scalar_type(), out.scalar_type(), [&]<class Row, class Product, class Wide>() {
      run(row_kernels::Spread<Row, Product, Wide>{raw<Row>(in), sequence_place(in, extent), raw<Wide>(factor),
                                                  raw<Product>(plain), place_of(plain), raw<Product>(scaled),
                                                  place_of(scaled), extent},
          rows.size(0));
    });
    return;
  }
  if (has_rows_on_gpu(rows, out)) {
    INGOT_GPU_FUNCTION(ingot_cuda_spread_rows)
    (gpu_rows(in, out, extent), raw<void>(in), sequence_place(in, extent), raw<float>(factor), raw<void>(plain),
     place_of(plain), raw<void>(scaled), place_of(scaled));
    return;
  }
  const at::Tensor chunks = to_chunks(rows, out.size(2)).unflatten(3, {out.size(3), out.size(4)});
  if (plain.defined()) plain.copy_(chunks);
  if (scaled.defined()) scaled.copy_(chunks * beside(factor, out));
}

namespace {

/// out = factor x + y where there is a kernel; out lies at `out_at`.
bool combine(const at::Tensor& x, const at::Tensor& factor, const at::Tensor& y, const at::Tensor& out,
             const Place& out_at, const Extent& extent) {
  if (has_kernel(out, x)) {
    with_types(out.scalar_type(), x.scalar_type(), [&]<class Row, class Product, class Wide>() {
      run(row_kernels::Gather<Row, Product, Wide>{raw<Product>(x), place_of(x), raw<Wide>(factor), raw<Product>(y),
                                                  place_of(y), raw<Row>(out), out_at, extent},
          x.size(0));
    });
    return true;
  }
  if (has_rows_on_gpu(out, x)) {
    INGOT_GPU_FUNCTION(ingot_cuda_gather_rows)
    (gpu_rows(out, x, extent), raw<void>(x), place_of(x), raw<float>(factor), raw<void>(y), place_of(y), raw<void>(out),
     out_at);
    return true;
  }
  return false;
}

at::Tensor combined(const at::Tensor& x, const at::Tensor& factor, const at::Tensor& y) {
  const at::Tensor sum = factor.defined() ? x * beside(factor, x) : x;
  return y.defined() ? sum + y : sum;
}

}  // namespace

at::Tensor gather_rows(const at::Tensor& x, const at::Tensor& factor, const at::Tensor& y, std::int64_t length,
                       at::ScalarType type) {
  const at::Tensor rows = at::empty({x.size(0), length, x.size(3) * x.size(4), x.size(5)}, x.options().dtype(type));
  const Extent extent = extent_of(x, length);
  if (combine(x, factor, y, rows, sequence_place(rows, extent), extent)) return rows;
  return rows.copy_(from_chunks(combined(x, factor, y).flatten(3, 4), length));
}

void combine_rows(const at::Tensor& x, const at::Tensor& factor, const at::Tensor& y, const at::Tensor& out) {
  if (combine(x, factor, y, out, place_of(out), extent_of(x, x.size(1) * x.size(2)))) return;
  at::Tensor(out).copy_(combined(x, factor, y));
}

at::Tensor dot_rows(const at::Tensor& a, const at::Tensor& b) {
  const at::ScalarType wide = wide_type(a.scalar_type());
  if (has_kernel(a, a) && has_kernel(b, b)) {
    const at::Tensor out = at::empty({a.size(0), a.size(1), a.size(2), a.size(3) * a.size(4)}, a.options().dtype(wide));
    with_kernel_types(a.scalar_type(), [&]<class Product, class Wide>() {
      run(row_kernels::Dots<Product, Wide>{raw<Product>(a), place_of(a), raw<Product>(b), place_of(b), raw<Wide>(out),
                                           extent_of(a, a.size(1) * a.size(2))},
          a.size(0));
    });
    return out;
  }
  if (has_rows_on_gpu(a, b) && a.scalar_type() == b.scalar_type()) {
    const at::Tensor out = at::empty({a.size(0), a.size(1), a.size(2), a.size(3) * a.size(4)}, a.options().dtype(wide));
    INGOT_GPU_FUNCTION(ingot_cuda_dot_rows)
    (gpu_rows(a, a, extent_of(a, a.size(1) * a.size(2))), raw<void>(a), place_of(a), raw<void>(b), place_of(b),
     raw<float>(out));
    return out;
  }
  return (a * b).sum(-1, false, wide).flatten(3);
}

}  // namespace ingot::ops
