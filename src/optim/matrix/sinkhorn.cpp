#include "optim/matrix/sinkhorn.h"

#include <cmath>

#include "optim/matrix/norms.h"

namespace ingot {

at::Tensor equal_norms(const at::Tensor& x, std::int64_t iterations) {
  constexpr double kLeastNorm = 1e-8;
  const double row = std::sqrt(static_cast<double>(x.size(1))), column = std::sqrt(static_cast<double>(x.size(0)));
  at::Tensor out = x.clone();
  for (std::int64_t i = 0; i < iterations; ++i) {
    out.mul_(row_norms(out).clamp_min(kLeastNorm).reciprocal_().mul_(row));
    out.mul_(column_norms(out).clamp_min(kLeastNorm).reciprocal_().mul_(column));
  }
  return out;
}

}  // namespace ingot
