#include "optim/matrix/products.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <algorithm>

#include "device/blas.h"
#include "device/matmul.h"

namespace ingot {
namespace {

constexpr std::int64_t kPanel = 192;  // rows: fewer make products slow, more leave less out

/// out <- beta c + alpha a b; c undefined: out <- alpha a b with alpha 1.
void multiply(at::Tensor out, const at::Tensor& c, const at::Tensor& a, const at::Tensor& b, double beta,
              double alpha) {
  if (uses_openblas() && out.is_cpu() && out.scalar_type() == at::kFloat) {
    if (c.defined()) out.copy_(c);
    if (openblas_matmul(out, a, b, c.defined() ? static_cast<float>(beta) : 0.0f, static_cast<float>(alpha))) return;
  }
  if (c.defined()) {
    at::addmm_out(out, c, a, b, beta, alpha);
  } else {
    at::mm_out(out, a, b);
  }
}

/// The part of a matrix in rows [begin, end) and columns [0, end).
at::Tensor panel_of(const at::Tensor& x, std::int64_t begin, std::int64_t end) {
  return x.narrow(0, begin, end - begin).narrow(1, 0, end);
}

at::Tensor multiply_symmetric(const at::Tensor& c, const at::Tensor& a, const at::Tensor& b, double beta,
                              double alpha) {
  const std::int64_t m = a.size(0), panels = a.is_cpu() ? std::max<std::int64_t>(1, m / kPanel) : 1;
  at::Tensor out = at::empty({m, m}, a.options());
  for (std::int64_t i = 0; i < panels; ++i) {
    const std::int64_t begin = i * m / panels, end = (i + 1) * m / panels;
    multiply(panel_of(out, begin, end), c.defined() ? panel_of(c, begin, end) : c, a.narrow(0, begin, end - begin),
             b.narrow(1, 0, end), beta, alpha);
    if (begin == 0) continue;
    out.narrow(0, 0, begin)
        .narrow(1, begin, end - begin)
        .copy_(out.narrow(0, begin, end - begin).narrow(1, 0, begin).t());
  }
  return out;
}

}  // namespace

at::Tensor product(const at::Tensor& a, const at::Tensor& b) { return ingot::matmul(a, b); }

at::Tensor sum_product(const at::Tensor& c, const at::Tensor& a, const at::Tensor& b, double beta, double alpha) {
  at::Tensor out = at::empty({a.size(0), b.size(1)}, a.options());
  multiply(out, c, a, b, beta, alpha);
  return out;
}

at::Tensor symmetric_product(const at::Tensor& a, const at::Tensor& b) { return multiply_symmetric({}, a, b, 0, 1); }

at::Tensor symmetric_sum_product(const at::Tensor& c, const at::Tensor& a, const at::Tensor& b, double beta,
                                 double alpha) {
  return multiply_symmetric(c, a, b, beta, alpha);
}

}  // namespace ingot
