#include "ops/rows.h"

#include <ATen/core/Tensor.h>

namespace ingot::ops {

namespace {

/// False if the layout is not of this form.
bool find_rows(const at::Tensor& x, Rows& rows) {
  const std::int64_t last = x.dim() - 1;
  rows = {1, 1, 0, x.size(last)};
  if (rows.width != 1 && x.stride(last) != 1) return false;
  if (x.is_contiguous()) {
    rows.outer = rows.width == 0 ? 0 : x.numel() / rows.width;
    rows.stride = rows.width;
    return true;
  }
  std::int64_t axis = last - 1;
  for (; axis >= 0 && (x.size(axis) == 1 || x.stride(axis) == rows.width * rows.inner); --axis) {
    rows.inner *= x.size(axis);
  }
  std::int64_t expected = -1;
  for (; axis >= 0; --axis) {
    if (x.size(axis) == 1) continue;
    if (expected < 0) {
      rows.stride = x.stride(axis);
    } else if (x.stride(axis) != expected) {
      return false;
    }
    rows.outer *= x.size(axis);
    expected = x.stride(axis) * x.size(axis);
  }
  return true;
}

}  // namespace

Rows rows_of(at::Tensor& x, std::int64_t inner) {
  Rows rows;
  if (find_rows(x, rows) && (inner == 0 || inner == rows.inner)) return rows;
  x = x.contiguous();
  const std::int64_t width = x.size(-1);
  const std::int64_t groups = inner == 0 ? 1 : inner;
  const std::int64_t count = width == 0 ? 0 : x.numel() / width;
  return {count / groups, groups, groups * width, width};
}

}  // namespace ingot::ops
