#pragma once
// Tensors as rows for kernels.

#include <cstdint>

namespace at {
class Tensor;
}

namespace ingot::ops {

/// Rows of `width` elements, `inner` of them side by side, these groups `stride` elements apart.
struct Rows {
  std::int64_t outer = 0;
  std::int64_t inner = 1;
  std::int64_t stride = 0;
  std::int64_t width = 0;

  constexpr std::int64_t count() const { return outer * inner; }
};

/// The rows of x's last axis; replaces x by a contiguous copy if they do not lie so, or if `inner` is given and
/// differs.
Rows rows_of(at::Tensor& x, std::int64_t inner = 0);

}  // namespace ingot::ops
